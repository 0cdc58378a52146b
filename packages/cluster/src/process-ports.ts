/** Ports on loopback for the processes of a local cluster: any free ones, or those asked for, once nobody listens on them. */
import { createServer } from "node:net";
import { SixfoldError } from "@sixfold/model";

const HOST = "127.0.0.1";
const POLL_MS = 100;

/** So many free ports. Nobody keeps them free. */
export async function freePorts(count: number): Promise<number[]> {
  return (await listenOnce(Array.from({ length: count }, () => 0))).ports;
}

/**
 * Resolves when nobody listens on these ports; refuses if that takes longer than `patienceMs`. A process that finds its port taken
 * would die, and whoever asks for its health be answered by the other.
 */
export async function untilFree(ports: readonly number[], patienceMs: number): Promise<void> {
  for (const deadline = Date.now() + patienceMs; ;) {
    const { fault } = await listenOnce(ports);
    if (fault === undefined) return;
    if (Date.now() >= deadline)
      throw new SixfoldError("bad-request", `${fault}; choose another base port (--port, 0 takes free ones)`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** Listens on all at once, so that free ones differ, and lets them go. */
async function listenOnce(
  wanted: readonly number[],
): Promise<{ ports: number[]; fault: string | undefined }> {
  const servers = wanted.map(() => createServer());
  const ports: number[] = [];
  let fault: string | undefined;
  const listening = servers.map(
    (server, i) =>
      new Promise<void>((resolve) => {
        server.once("error", (error: NodeJS.ErrnoException) => {
          fault ??= error.code === "EADDRINUSE" ? `port ${wanted[i]} is in use` : error.message;
          resolve();
        });
        server.listen(wanted[i], HOST, () => {
          ports.push((server.address() as { port: number }).port);
          resolve();
        });
      }),
  );
  await Promise.all(listening);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return { ports, fault };
}
