/**
 * What copying bytes costs on this machine, without a database: the yardstick for the replacement of a segment server.
 *
 *     files      read and written in pieces of 1 MiB, each file synced at its end: what `cp` and `sync` would do
 *     socket     read by one process, sent over a loopback connection to another one, which writes and syncs: what any copy from one server
 *                to another has to do at least
 *
 * Source and destination are on the same disk. Both run in processes of their own, so that a load goes on beside them.
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as net from "node:net";
import * as path from "node:path";
import { fileURLToPath } from "node:url";

const PIECE_BYTES = 1 << 20;
const SELF = fileURLToPath(import.meta.url);

/** All files below a directory. */
export function filesBelow(directory: string): string[] {
  return fs
    .readdirSync(directory, { withFileTypes: true })
    .flatMap((entry) =>
      entry.isDirectory() ? filesBelow(path.join(directory, entry.name)) : [path.join(directory, entry.name)],
    );
}

export const bytesOf = (files: readonly string[]): number =>
  files.reduce((sum, file) => sum + fs.statSync(file).size, 0);

/** Everything written so far is on the disk. */
export const settleDisk = (): void => void execFileSync("sync");

/** Empties the system's cache of files; false where this user may not. */
export function dropCaches(): boolean {
  settleDisk();
  try {
    fs.writeFileSync("/proc/sys/vm/drop_caches", "1");
    return true;
  } catch {
    return false;
  }
}

/** Milliseconds that it takes to copy the files into a directory, which is removed afterwards. */
export async function plainCopy(
  how: "files" | "socket",
  files: readonly string[],
  into: string,
): Promise<number> {
  fs.mkdirSync(into);
  const child = spawn(process.execPath, [...process.execArgv, SELF, how, into, ...files], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  child.stdout.on("data", (data: Buffer) => (said += data.toString()));
  await once(child, "exit");
  fs.rmSync(into, { recursive: true });
  if (!(Number(said) > 0)) throw new Error(`the plain copy failed: ${said}`);
  return Number(said);
}

/** Its pieces, each to be used before the next is read. */
function* piecesOf(file: string): Iterable<Uint8Array> {
  const from = fs.openSync(file, "r");
  const piece = new Uint8Array(PIECE_BYTES);
  for (let read = fs.readSync(from, piece); read > 0; read = fs.readSync(from, piece))
    yield piece.subarray(0, read);
  fs.closeSync(from);
}

function copyFiles(files: readonly string[], into: string): void {
  for (const [n, file] of files.entries()) {
    const to = fs.openSync(path.join(into, String(n)), "w");
    for (const piece of piecesOf(file)) fs.writeSync(to, piece);
    fs.fsyncSync(to);
    fs.closeSync(to);
  }
}

/** The sending side, which starts the other one first. Returns when it began to send. */
async function copyThroughSocket(files: readonly string[], into: string): Promise<number> {
  const child = spawn(process.execPath, [...process.execArgv, SELF, "receive", into], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  const [port] = (await once(child.stdout, "data")) as [Buffer];
  const socket = net.connect(Number(port.toString()), "127.0.0.1");
  await once(socket, "connect");
  const began = performance.now();
  for (const file of files)
    for (const piece of piecesOf(file)) if (!socket.write(piece.slice())) await once(socket, "drain");
  socket.end();
  await ended;
  return began;
}

/** The receiving side: says its port, ends when all is synced. */
function receive(into: string): void {
  const to = fs.openSync(path.join(into, "received"), "w");
  const server = net.createServer((socket) => {
    socket.on("data", (data) => void fs.writeSync(to, data));
    socket.on("end", () => {
      fs.fsyncSync(to);
      process.exit();
    });
  });
  server.listen(0, "127.0.0.1", () => process.stdout.write(`${(server.address() as net.AddressInfo).port}`));
}

if (process.argv[1] === SELF) {
  const [how, into = "", ...files] = process.argv.slice(2);
  let began = performance.now();
  if (how === "receive") receive(into);
  else {
    if (how === "files") copyFiles(files, into);
    else began = await copyThroughSocket(files, into);
    process.stdout.write(String(performance.now() - began));
  }
}
