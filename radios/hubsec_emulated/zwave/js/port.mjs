// The stick's serial port, on a TCP port of this machine. TCP joins and splits what is written; the mock controller
// takes whole frames only. So what the host sends is cut into frames again before it goes on.
import net from "node:net";

export const LOOPBACK = "127.0.0.1";

// Listens before anything heavy is loaded, so that the host may connect already; bytes wait until `attach`.
export class SerialPort {
  connected = false;
  #server = net.createServer((socket) => this.#accept(socket));
  #socket;
  #early = [];
  #deliver = (chunk) => this.#early.push(chunk);
  #hostChanged = () => {};

  async listen() {
    await new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(0, LOOPBACK, resolve);
    });
    return this.#server.address().port;
  }

  // Joins the port to a MockPort. `tap(fromHost, bytes)` hears whole frames, `hostChanged` of a host that came.
  async attach(mockPort, { Parser, serialApi, tap, hostChanged }) {
    const binding = await mockPort.factory()();
    new ReadableStream(binding.source)
      .pipeTo(
        new WritableStream({
          write: (chunk) => {
            tap(false, chunk);
            this.#socket?.write(chunk);
          },
        }),
      )
      .catch(() => {}); // it ends with the port
    const sink = new WritableStream(binding.sink).getWriter();
    let input;
    this.#hostChanged = () => {
      const parser = new Parser();
      parser.readable
        .pipeTo(
          new WritableStream({
            write: (frame) => {
              if (frame.type !== serialApi) return; // line noise
              const data = typeof frame.data === "number" ? Uint8Array.from([frame.data]) : frame.data;
              tap(true, data);
              sink.write(data).catch(() => {});
            },
          }),
        )
        .catch(() => {}); // it ends with the connection
      input = parser.writable.getWriter();
      hostChanged();
    };
    if (this.connected) this.#hostChanged();
    this.#deliver = (chunk) => input.write(chunk).catch(() => {});
    for (const chunk of this.#early.splice(0)) this.#deliver(chunk);
  }

  #accept(socket) {
    this.#socket?.destroy(); // a stick has one host
    this.#socket = socket;
    this.connected = true;
    socket.setNoDelay(true);
    this.#hostChanged();
    socket.on("data", (chunk) => {
      if (socket === this.#socket) this.#deliver(chunk);
    });
    socket.on("error", () => {}); // "close" follows
    socket.on("close", () => {
      if (socket !== this.#socket) return;
      this.#socket = undefined;
      this.connected = false;
    });
  }
}
