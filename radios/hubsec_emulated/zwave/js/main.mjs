// The emulated Z-Wave network, as one process: the stick behind a TCP port, the devices, and the server as its child.
// Python starts it and drives it by stdin and stdout (control.mjs).
import { rmSync } from "node:fs";
import process from "node:process";
import { fault, obey, say } from "./control.mjs";
import { SerialPort } from "./port.mjs";
import { Server } from "./server.mjs";
import { bytes } from "./frames.mjs";

const port = new SerialPort();
let network;
let server;

const commands = {
  // The server is under way before the mocks are loaded: both take about a second.
  async start({ server: options, ...rest }) {
    const serialPort = await port.listen();
    server = new Server({ modules: process.env.HUBSEC_ZWAVE_MODULES, serialPort, say });
    if (options) server.start(options);
    const { Network } = await import("./network.mjs");
    network = await Network.open({ port, ...rest });
    say("ready", { serialPort });
  },
  serve: (options) => server.start(options),
  "stop-server": ({ signal }) => server.stop(signal),
  "signal-server": ({ signal }) => server.signal(signal),
  tune: (options) => network.tune(options),
  add: (options) => network.add(options),
  remember: ({ folder }) => network.remember(folder),
  "power-on": ({ device }) => network.device(device).powerOn(),
  "power-off": ({ device }) => network.device(device).powerOff(),
  press: ({ device }) => network.device(device).pressButton(),
  "factory-reset": ({ device }) => network.device(device).factoryReset(),
  report: ({ device, value }) => network.node(device).report(value),
  record: ({ on }) => network.record(on),
  settle: () => network.settle(),
  async reset({ port: serverPort }) {
    const { resetServer } = await import("./reset.mjs");
    await resetServer(serverPort, () => network.settle(), () => network.clear());
  },
  spoof: ({ device, value }) => network.attacker.spoof(network.node(device), value),
  replay: ({ device, fresh }) => network.attacker.replay(network.node(device), { fresh }),
  "bad-tag": ({ device }) => network.attacker.badTag(network.node(device)),
  "forge-reset": ({ device }) => network.attacker.reset(network.node(device)),
  "nonce-flood": ({ device, count }) => network.attacker.nonceFlood(network.node(device), count),
  command: ({ device, command }) => network.attacker.command(network.node(device), bytes(command)),
  inject: ({ source, command }) => network.attacker.inject(source, bytes(command)),
};

for (const level of ["log", "info", "warn", "error", "debug"]) console[level] = () => {}; // the mocks talk to themselves
process.on("SIGHUP", () => {}); // the kernel's word that the parent is gone while the server is paused; the end of input follows
process.on("uncaughtException", fault);
process.on("unhandledRejection", fault);
process.stdout.on("error", () => {}); // nobody listens any more, as the end of standard input says
obey(commands, async () => {
  await server?.stop();
  rmSync(process.env.HUBSEC_ZWAVE_FOLDER, { recursive: true, force: true }); // a parent that was killed could not
  process.exit(0);
});
