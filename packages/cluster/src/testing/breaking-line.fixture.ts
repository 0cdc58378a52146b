/** A line to a local port whose first connection breaks after so many bytes from there, in the middle of whatever that is; the others last. */
import { once } from "node:events";
import * as net from "node:net";

export async function breakingLine(
  port: number,
  afterBytes: number,
): Promise<{ readonly url: string; close(): void }> {
  let left = afterBytes;
  const ends = new Set<net.Socket>();
  const server = net.createServer((here) => {
    const there = net.connect(port, "127.0.0.1");
    const breaks = ends.size === 0;
    for (const [end, other] of [
      [here, there],
      [there, here],
    ] as const) {
      ends.add(end);
      end.on("error", () => undefined);
      end.on("close", () => other.destroy());
    }
    here.on("data", (bytes) => there.write(bytes));
    there.on("data", (bytes) => {
      here.write(breaks ? bytes.subarray(0, left) : bytes);
      if (!breaks) return;
      left -= bytes.length;
      if (left > 0) return;
      here.end();
      there.destroy();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `ws://127.0.0.1:${(server.address() as net.AddressInfo).port}`,
    close() {
      server.close();
      for (const end of ends) end.destroy();
    },
  };
}
