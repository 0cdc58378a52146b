/**
 * What size one segment server keeps: memory, disk, and the time to serve again after a kill, with a store of any size.
 *
 *     npx tsx --conditions=source packages/cluster/bench/segment-size.ts --pages 65536 --updates 500000
 *
 * A real segment server in a process of its own, on the real disk and page store. This process is its one writer: it fills
 * each page once, then changes pages at random, takes each acknowledgement for the commit, and so keeps the
 * low-water mark close behind. Options, with their defaults:
 *
 *     --pages 16384       pages of 8 KiB, each written whole and most of it not zero
 *     --pgs 4             protection groups that they lie in
 *     --updates 200000    changes afterwards, --bytes 120 each, in entries of --deltas 2 pages of one PG
 *     --hot 0             share of the changes that go to a hundredth of the pages
 *     --silent-pgs 0      further PGs that get one slice each, before all the others, and are never heard of again
 *     --idle-ms 10000     how long nothing happens before disk and processor time are looked at
 *     --dir               where it keeps its data (default: a temporary directory, removed)
 *
 * Anonymous memory (RssAnon) is what the process holds; mapped pages of the store (RssFile) are the system's cache and go
 * when something else needs the room. Figures without /proc are null.
 */
import { spawn, type ChildProcess } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { parseArgs } from "node:util";
import { createInterface } from "node:readline";
import { nodeName } from "@sixfold/model";
import { boundHeapGrowth, NodeHost } from "@sixfold/node-ports";
import { Journal } from "../src/journal.ts";
import { startSegmentHost } from "../src/segment-host.ts";
import { BenchWriter, VOLUME } from "./bench-writer.ts";

const { values } = parseArgs({
  options: {
    serve: { type: "string" },
    pages: { type: "string", default: "16384" },
    pgs: { type: "string", default: "4" },
    updates: { type: "string", default: "200000" },
    bytes: { type: "string", default: "120" },
    deltas: { type: "string", default: "2" },
    hot: { type: "string", default: "0" },
    "silent-pgs": { type: "string", default: "0" },
    "idle-ms": { type: "string", default: "10000" },
    dir: { type: "string" },
  },
});
const MIB = 1 << 20;
const PEERS = ["segment-a1", "segment-a2", "segment-b1", "segment-b2", "segment-c1", "segment-c2"];

/** The server's side: says where it listens and, each half second, how large it is. */
async function serve(directory: string): Promise<void> {
  // It ends with the process that reads what it says.
  process.stdout.on("error", () => process.exit());
  const began = performance.now();
  const cpuBefore = process.cpuUsage();
  const running = await startSegmentHost(
    new NodeHost("segment-c2", directory),
    {
      name: nodeName("segment-c2"),
      volume: VOLUME,
      token: "",
      listen: { host: "127.0.0.1", port: 0 },
      // The last by name: it dials nobody.
      servers: PEERS.map((name) => ({ name: nodeName(name), az: name.slice(8, 9), url: "ws://127.0.0.1:1" })),
      latencyMsTo: () => 0,
      liveness: { deadAfterMs: 60_000 },
    },
    new Journal((level, event, fields) => {
      if (level === "error") console.error(event, fields);
    }),
  );
  boundHeapGrowth();
  const cpu = process.cpuUsage(cpuBefore);
  const openCpuMs = (cpu.user + cpu.system) / 1000;
  console.log(
    JSON.stringify({ url: running.url, bootMs: began, openMs: performance.now() - began, openCpuMs }),
  );
  setInterval(() => {
    const { heapUsed, external, arrayBuffers } = process.memoryUsage();
    const { storedPages, keptCost, toMerge, log } = running.status();
    process.stdout.write(
      `${JSON.stringify({ heapUsed, external, arrayBuffers, storedPages, keptCost, toMerge, log })}\n`,
    );
  }, 500).unref();
}

interface Sample {
  readonly heapUsed: number;
  readonly external: number;
  readonly storedPages: number;
  readonly keptCost: number;
  readonly toMerge: number;
  readonly log: { readonly bytes?: number; readonly blocks?: number };
}

/** One incarnation of the server. */
class Server {
  url = "";
  bootMs = 0;
  openMs = 0;
  openCpuMs = 0;
  last: Sample | undefined;
  heapMax = 0;
  externalMax = 0;
  readonly child: ChildProcess;
  readonly up: Promise<void>;

  constructor(directory: string) {
    const self = new URL(import.meta.url).pathname;
    this.child = spawn(process.execPath, [...process.execArgv, self, "--serve", directory], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.up = new Promise((resolve, reject) => {
      createInterface({ input: this.child.stdout! }).on("line", (line) => {
        const said = JSON.parse(line) as Sample & {
          url?: string;
          bootMs: number;
          openMs: number;
          openCpuMs: number;
        };
        if (said.url !== undefined) {
          this.url = said.url;
          this.bootMs = said.bootMs;
          this.openMs = said.openMs;
          this.openCpuMs = said.openCpuMs;
          resolve();
          return;
        }
        this.last = said;
        this.heapMax = Math.max(this.heapMax, said.heapUsed);
        this.externalMax = Math.max(this.externalMax, said.external);
      });
      this.child.on("exit", (code) => reject(new Error(`the server ended: ${code}`)));
    });
  }

  /** Bytes by the name that /proc gives them. */
  memory(name: "VmRSS" | "VmHWM" | "RssAnon" | "RssFile"): number | null {
    const file = `/proc/${this.child.pid}/status`;
    if (!fs.existsSync(file)) return null;
    const match = new RegExp(`${name}:\\s+(\\d+) kB`).exec(fs.readFileSync(file, "utf8"));
    return match === null ? null : Number(match[1]) * 1024;
  }

  /** Processor time so far, in ms. */
  processorMs(): number | null {
    const file = `/proc/${this.child.pid}/stat`;
    if (!fs.existsSync(file)) return null;
    const fields = fs.readFileSync(file, "utf8").split(") ")[1]!.split(" ");
    return (Number(fields[11]) + Number(fields[12])) * 10;
  }

  async kill(): Promise<void> {
    const gone = new Promise((resolve) => this.child.once("exit", resolve));
    this.child.kill("SIGKILL");
    await gone;
  }
}

/** Bytes on disk below a directory: blocks, for files may be sparse. */
function diskBytes(directory: string): number {
  let bytes = 0;
  for (const entry of fs.readdirSync(directory, { withFileTypes: true })) {
    const name = path.join(directory, entry.name);
    if (entry.isDirectory()) bytes += diskBytes(name);
    else bytes += (fs.statSync(name, { throwIfNoEntry: false })?.blocks ?? 0) * 512;
  }
  return bytes;
}

const mib = (bytes: number | null | undefined): string =>
  bytes === null || bytes === undefined ? "null" : (bytes / MIB).toFixed(0);
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function report(what: string, server: Server, directory: string, pageBytes: number): void {
  const log = diskBytes(path.join(directory, "log.disk"));
  const store = diskBytes(path.join(directory, "pages.pages"));
  const live = (server.last?.storedPages ?? 0) * pageBytes;
  console.log(
    `${what}: anonymous ${mib(server.memory("RssAnon"))} MiB, mapped ${mib(server.memory("RssFile"))}, ` +
      `peak ${mib(server.memory("VmHWM"))}, heap ${mib(server.last?.heapUsed)} (most ${mib(server.heapMax)}), ` +
      `buffers ${mib(server.last?.external)} (most ${mib(server.externalMax)}); ` +
      `kept ${mib(server.last?.keptCost)} (${mib(server.last?.toMerge)} not merged); disk: log ${mib(log)}, pages ${mib(store)}, ` +
      `live ${mib(live)}: ${((log + store) / Math.max(1, live)).toFixed(2)} times`,
  );
}

async function measure(directory: string): Promise<void> {
  const n = (
    name: "pages" | "pgs" | "updates" | "bytes" | "deltas" | "hot" | "silent-pgs" | "idle-ms",
  ): number => Number(values[name]);
  const shape = { pages: n("pages"), pgs: n("pgs"), silentPgs: n("silent-pgs") };
  const server = new Server(directory);
  await server.up;
  const writer = await BenchWriter.connect(server.url, shape);
  let anonymousMax = 0;
  const watch = setInterval(
    () => (anonymousMax = Math.max(anonymousMax, server.memory("RssAnon") ?? 0)),
    100,
  );
  let began = performance.now();
  await writer.fill();
  const fillMs = performance.now() - began;
  await pause(1000);
  report(
    `filled ${shape.pages} pages in ${(fillMs / 1000).toFixed(1)} s`,
    server,
    directory,
    writer.pageBytes,
  );
  began = performance.now();
  await writer.update({ updates: n("updates"), bytes: n("bytes"), deltas: n("deltas"), hot: n("hot") });
  const updateMs = performance.now() - began;
  await pause(600);
  const pace = Math.round(n("updates") / (updateMs / 1000)).toLocaleString("en");
  report(
    `${n("updates")} updates, ${pace}/s, ${writer.refused} refused`,
    server,
    directory,
    writer.pageBytes,
  );
  const [before, blocks] = [server.processorMs(), server.last?.log.blocks ?? 0];
  await pause(n("idle-ms"));
  const idleMs = server.processorMs();
  report(`after ${n("idle-ms") / 1000} s of rest`, server, directory, writer.pageBytes);
  console.log(
    `at rest: ${before === null || idleMs === null ? "null" : idleMs - before} ms of processor, ` +
      `${(server.last?.log.blocks ?? 0) - blocks} syncs; anonymous memory was ${mib(anonymousMax)} MiB at most`,
  );
  clearInterval(watch);
  writer.stop();
  await server.kill();
  const killed = performance.now();
  const again = new Server(directory);
  await again.up;
  const upMs = performance.now() - killed;
  const rereader = await BenchWriter.connect(again.url, shape, writer);
  await rereader.read();
  const readMs = performance.now() - killed;
  console.log(
    `restart: ${readMs.toFixed(0)} ms to the first page read, of which ${again.bootMs.toFixed(0)} loading the program and ` +
      `${again.openMs.toFixed(0)} reading the log (${again.openCpuMs.toFixed(0)} of processor); up after ${upMs.toFixed(0)}`,
  );
  const wrong = await rereader.check(2000);
  await pause(600);
  report(`restarted, 2000 pages read, ${wrong} wrong`, again, directory, writer.pageBytes);
  rereader.stop();
  await again.kill();
  if (wrong > 0) process.exitCode = 1;
}

if (values.serve !== undefined) await serve(values.serve);
else {
  const directory = values.dir ?? fs.mkdtempSync(path.join(os.tmpdir(), "sixfold-size-"));
  await measure(directory).finally(() => {
    if (values.dir === undefined) fs.rmSync(directory, { recursive: true, force: true });
  });
}
