// The line to Python: one JSON object a line, commands in by stdin, events out by stdout. It dies with its parent.
import readline from "node:readline";

export function say(event, fields = {}) {
  process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);
}

export function fault(error) {
  say("fault", { text: String(error?.stack ?? error) });
}

// Runs `commands[do](arguments)` in the order of their lines. One with an `id` is answered when it is done.
export function obey(commands, ended) {
  let last = Promise.resolve();
  const lines = readline.createInterface({ input: process.stdin });
  lines.on("line", (line) => {
    const { do: name, id, ...rest } = JSON.parse(line);
    last = last.then(async () => {
      try {
        const result = await commands[name](rest);
        if (id !== undefined) say("done", { id, result });
      } catch (error) {
        if (id === undefined) fault(error);
        else say("failed", { id, text: String(error?.message ?? error) });
      }
    });
  });
  lines.on("close", ended);
}
