// The real server with the real driver in it, unmodified, as a process of its own.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { LOOPBACK } from "./port.mjs";

const KEPT_OUTPUT = 16_384; // characters of what it said last, for the message when it fails

export class Server {
  #child;
  #output = "";

  constructor({ modules, serialPort, say }) {
    this.modules = modules;
    this.serialPort = serialPort;
    this.say = say;
  }

  // Starts it. Says `server` with state "ready" when it listens, or "gone" with what it said when it has ended.
  start({ port, config, quick }) {
    if (this.#child) throw new Error("The server runs already.");
    const child = spawn(
      process.execPath,
      [
        "--import",
        new URL("./watch.mjs", import.meta.url).href,
        `${this.modules}/node_modules/@zwave-js/server/dist-esm/bin/server.js`,
        `tcp://${LOOPBACK}:${this.serialPort}`,
        ...["--config", config, "--host", LOOPBACK, "--port", String(port), "--disable-dns-sd"],
      ],
      { stdio: ["pipe", "pipe", "pipe"], env: environment(quick) },
    );
    this.#child = child;
    this.#output = "";
    let ready = false;
    const hear = (text) => {
      this.#output = (this.#output + text).slice(-KEPT_OUTPUT);
      if (!ready && this.#output.includes("server listening on")) {
        ready = true;
        this.say("server", { state: "ready", port });
      }
    };
    child.stdout.setEncoding("utf8").on("data", hear);
    child.stderr.setEncoding("utf8").on("data", hear);
    child.stdin.on("error", () => {}); // it is gone, as "close" will say
    child.on("error", (error) => hear(String(error)));
    child.on("close", (code, signal) => {
      if (this.#child === child) this.#child = undefined;
      this.say("server", { state: "gone", code, signal, output: this.#output });
    });
    return { pid: child.pid };
  }

  async stop(signal = "SIGKILL") {
    const child = this.#child;
    if (!child) return;
    const closed = new Promise((resolve) => child.once("close", resolve));
    child.kill("SIGCONT");
    child.kill(signal);
    await closed;
  }

  signal(name) {
    this.#child?.kill(name);
  }
}

function environment(quick) {
  const { NODE_ENV, NODE_OPTIONS, ...rest } = process.env;
  return quick ? { ...rest, NODE_ENV: "test" } : rest;
}
