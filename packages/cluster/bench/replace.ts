/**
 * How long the replacement of a segment server takes, against a plain copy of its bytes, and what commits notice of it.
 *
 *     npm run build
 *     npx tsx --conditions=source packages/cluster/bench/replace.ts                  1 GiB: some minutes, most of them to fill it
 *     npx tsx --conditions=source packages/cluster/bench/replace.ts --mib 128        a quick look
 *
 * A local cluster of real processes: one writer, six segment servers, a spare one. It is filled until each server stores --mib of pages; what of
 * that was placed on the spare one is brought together by a replacement that is not measured. Then, --rounds times, commits going on at a fixed
 * rate all the time: the server's stored pages copied plainly, and latencies beside that; latencies undisturbed; latencies while the server
 * is replaced. The server that was relieved is emptied and is the spare one of the next round. Options, with their defaults:
 *
 *     --mib 1024            pages that a server stores, at 8 KiB each
 *     --segment-mib 16      size of a protection group
 *     --rounds 3
 *     --killed              the server is killed before it is replaced
 *     --rate 200            commits a second
 *     --quiet-s 20          how long commits are measured undisturbed
 *     --changes 0           rows changed right before the replacement, as fast as it goes: servers have not merged them yet
 *     --warm                the sources are in the system's cache (else it is emptied before each copy, and each replacement)
 *     --dir                 where the data is; filled already if a run with --keep made it (default: a temporary directory, removed)
 *     --keep                the data stays
 *
 * Prints a line a round and a table; --json: one JSON object a round and nothing else.
 */
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { parseArgs } from "node:util";
import { connect } from "@sixfold/client";
import { Random } from "@sixfold/model";
import type { RunningCluster } from "../src/cluster-api.ts";
import { startCluster } from "../src/local-cluster.ts";
import { bytesOf, dropCaches, filesBelow, plainCopy, settleDisk } from "./plain-copy.ts";
import { latenciesOf, SteadyLoad, type Latencies } from "./steady-load.ts";
import { spentSince, threadsOf } from "./threads.ts";

const { values } = parseArgs({
  options: {
    mib: { type: "string", default: "1024" },
    "segment-mib": { type: "string", default: "16" },
    rounds: { type: "string", default: "3" },
    rate: { type: "string", default: "200" },
    "quiet-s": { type: "string", default: "20" },
    changes: { type: "string", default: "0" },
    dir: { type: "string" },
    keep: { type: "boolean", default: false },
    killed: { type: "boolean", default: false },
    warm: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});

type Database = Awaited<ReturnType<typeof connect>>;

const MIB = 1 << 20;
const PAGE_BYTES = 8192;
const TABLE = "ballast";
/** Seven of them fill a page but for its usual rest. */
const ROW_BYTES = 1000;
const ROWS_PER_PAGE = 7;
const ROWS_PER_TRANSACTION = 500;
/** A server merges what is more than this. */
const MERGED_BYTES = 57 * MIB;
const FILLERS = 4;
/** Rows that commits change: spread over all the rows, on pages that the writer has in its pool. */
const LOAD_ROWS = 4000;
const PAIR = ["segment-a1", "segment-a3"] as const;
/** A replacement that takes longer has failed. */
const STUCK_MS = 300_000;
const POLL_MS = 20;
/** Who makes --changes, side by side. */
const CHANGERS = 64;

const random = new Random(5);
const say = (text: string): void => void (values.json || console.log(text));
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Bytes without a run of zeros: nothing is left out when a page is stored. */
function rowBytes(): Uint8Array {
  const row = new Uint8Array(ROW_BYTES);
  const [from, step] = [random.int(255), 1 + random.int(7)];
  for (let i = 0; i < row.length; i++) row[i] = 1 + ((from + i * step) % 255);
  return row;
}

interface ServerStatus {
  readonly storedPages: number;
  readonly toMerge: number;
}
interface VolumeStatus {
  readonly servers: Readonly<Record<string, { readonly segments: number; readonly seat: boolean }>>;
}

async function statusOf<T>(cluster: RunningCluster, name: string): Promise<T> {
  const { url } = cluster.nodes.find((node) => node.name === name)!;
  const answer = await fetch(`${url.replace(/^ws/, "http")}/status`);
  return (await answer.json()) as T;
}

const volumeOf = async (cluster: RunningCluster): Promise<VolumeStatus> =>
  (await statusOf<{ volume: VolumeStatus }>(cluster, "writer-1")).volume;

/** Writes rows in key order, as many as fill so many pages. Returns how many there are. */
async function fill(cluster: RunningCluster, db: Database, pages: number): Promise<number> {
  const rows = pages * ROWS_PER_PAGE;
  await db.createTable(TABLE);
  let next = 0;
  const filler = async (): Promise<void> => {
    while (next < rows) {
      const from = next;
      next = Math.min(rows, next + ROWS_PER_TRANSACTION);
      const through = next;
      await db.transaction(async (tx) => {
        for (let key = from; key < through; key++) tx.put(TABLE, [key], rowBytes());
      });
    }
  };
  await Promise.all(Array.from({ length: FILLERS }, filler));
  for (let [last, still] = [-1, 0]; still < 6; await pause(500)) {
    const { storedPages, toMerge } = await statusOf<ServerStatus>(cluster, PAIR[0]);
    still = storedPages === last && toMerge < MERGED_BYTES ? still + 1 : 0;
    last = storedPages;
  }
  return rows;
}

interface Round {
  readonly round: number;
  readonly storedMib: number;
  readonly segments: number;
  readonly cold: boolean;
  readonly filesMib: number;
  readonly filesMs: number;
  readonly socketMs: number;
  readonly replaceMs: number;
  readonly ofFiles: number;
  readonly ofSocket: number;
  /** Commits while the files were copied plainly. */
  readonly beside: Latencies;
  readonly undisturbed: Latencies;
  readonly during: Latencies;
  readonly ofP99: number;
  readonly failed: number;
  /** Processor time during the replacement, in ms. */
  readonly processor: Readonly<Record<string, number>>;
  /** Of that, the newcomer's by kind of thread. */
  readonly newcomer: Readonly<Record<string, number>>;
  /** All of it, without what the same commits took undisturbed. */
  readonly processorForIt: number;
}

/** Processor time of each process so far, in ms; none where there is no /proc. */
function processorMs(cluster: RunningCluster): Map<string, number> {
  const of = new Map<string, number>();
  for (const { name, pid } of cluster.nodes) {
    if (!fs.existsSync(`/proc/${pid}/stat`)) continue;
    const fields = fs.readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
    of.set(name, (Number(fields[11]) + Number(fields[12])) * 10);
  }
  return of;
}

/** What each process took since `before`. */
const spent = (cluster: RunningCluster, before: ReadonlyMap<string, number>): Record<string, number> =>
  Object.fromEntries([...processorMs(cluster)].map(([name, ms]) => [name, ms - (before.get(name) ?? ms)]));

const total = (of: Readonly<Record<string, number>>): number =>
  Object.values(of).reduce((sum, ms) => sum + ms, 0);

const hundredths = (n: number): number => Math.round(n * 100) / 100;

class Measurement {
  readonly rounds: Round[] = [];
  private readonly cluster: RunningCluster;
  private readonly dir: string;
  private readonly load: SteadyLoad;

  constructor(cluster: RunningCluster, dir: string, load: SteadyLoad) {
    this.cluster = cluster;
    this.dir = dir;
    this.load = load;
  }

  /** The spare server may have got segments when the volume grew: all of the two's go to one of them. */
  async bringTogether(): Promise<void> {
    const { servers } = await volumeOf(this.cluster);
    if (!PAIR.every((name) => servers[name]!.segments > 0)) return;
    await this.replace(PAIR[0]);
    await this.becomesSpare(PAIR[0], PAIR[1]);
  }

  async round(): Promise<void> {
    const { servers } = await volumeOf(this.cluster);
    const leaving = PAIR.find((name) => servers[name]!.segments > 0)!;
    const spare = PAIR.find((name) => name !== leaving)!;
    const { storedPages } = await statusOf<ServerStatus>(this.cluster, leaving);
    // The log is not part of what is copied; it would go to a newcomer's store.
    const files = filesBelow(path.join(this.dir, leaving, "pages.pages"));
    const filesMib = Math.round(bytesOf(files) / MIB);
    const into = path.join(this.dir, "copy");
    const cold = this.empty();
    this.load.take();
    const filesMs = await plainCopy("files", files, into);
    const beside = latenciesOf(this.load.take());
    this.empty();
    const socketMs = await plainCopy("socket", files, into);
    settleDisk();
    await pause(1000);
    this.load.take();
    const cpuBefore = processorMs(this.cluster);
    await pause(Number(values["quiet-s"]) * 1000);
    const undisturbed = latenciesOf(this.load.take());
    const quietCpu = total(spent(this.cluster, cpuBefore)) / Number(values["quiet-s"]);
    await this.change(Number(values.changes));
    if (values.killed) await this.kill(leaving);
    this.empty();
    await pause(500);
    const failedBefore = this.load.failed;
    this.load.take();
    const cpu = processorMs(this.cluster);
    const { pid } = this.cluster.nodes.find(({ name }) => name === spare)!;
    const threads = threadsOf(pid);
    const replaceMs = await this.replace(leaving);
    const processor = spent(this.cluster, cpu);
    const newcomer = spentSince(threads, pid);
    const during = latenciesOf(this.load.take());
    this.rounds.push({
      round: this.rounds.length + 1,
      storedMib: Math.round((storedPages * PAGE_BYTES) / MIB),
      segments: servers[leaving]!.segments,
      cold,
      filesMib,
      filesMs: Math.round(filesMs),
      socketMs: Math.round(socketMs),
      replaceMs: Math.round(replaceMs),
      ofFiles: hundredths(replaceMs / filesMs),
      ofSocket: hundredths(replaceMs / socketMs),
      ...{ beside, undisturbed, during },
      ofP99: hundredths(during.p99 / undisturbed.p99),
      failed: this.load.failed - failedBefore,
      ...{ processor, newcomer },
      processorForIt: Math.round(total(processor) - (quietCpu * replaceMs) / 1000),
    });
    const made = this.rounds.at(-1)!;
    console.log(values.json ? JSON.stringify(made) : lineOf(made));
    await this.becomesSpare(leaving, spare);
  }

  private empty(): boolean {
    if (!values.warm) return dropCaches();
    settleDisk();
    return false;
  }

  /** From the command to its end, as `sixfold replace` sees it. */
  private async replace(leaving: string): Promise<number> {
    const { url } = this.cluster.nodes.find(({ name }) => name === "writer-1")!;
    const began = performance.now();
    const asked = await fetch(`${url.replace(/^ws/, "http")}/replace`, {
      method: "POST",
      body: JSON.stringify({ leaving }),
    });
    const answer = (await asked.json()) as { readonly pgs?: readonly number[] };
    if (answer.pgs === undefined) throw new Error(JSON.stringify(answer));
    for (let left = Infinity; left > 0;) {
      if (performance.now() - began > STUCK_MS) throw new Error(`${leaving} was not replaced`);
      await pause(POLL_MS);
      left = (await volumeOf(this.cluster)).servers[leaving]!.segments;
    }
    return performance.now() - began;
  }

  private async change(count: number): Promise<void> {
    const { db, table, keys } = this.load;
    let next = 0;
    const changer = async (): Promise<void> => {
      while (next < count) await db.put(table, [keys[next++ % keys.length]!], new Uint8Array(100).fill(next));
    };
    await Promise.all(Array.from({ length: CHANGERS }, changer));
  }

  private async kill(name: string): Promise<void> {
    this.cluster.kill(name);
    await pause(1000);
  }

  /** Its data goes, and it is started anew. */
  private async becomesSpare(left: string, joined: string): Promise<void> {
    for (let moved = false; !moved; await pause(POLL_MS)) {
      const { servers } = await volumeOf(this.cluster);
      moved = servers[joined]!.seat && !servers[left]!.seat;
    }
    this.cluster.kill(left);
    await pause(500);
    fs.rmSync(path.join(this.dir, left), { recursive: true });
    await this.cluster.start(left);
    settleDisk();
    await pause(1000);
  }
}

const lineOf = (r: Round): string =>
  `${r.storedMib} MiB in ${r.segments} segments (files of ${r.filesMib} MiB, ${r.cold ? "cold" : "warm"}): copied in ${r.filesMs} ms, ` +
  `through a socket ${r.socketMs} ms; replaced in ${r.replaceMs} ms: × ${r.ofFiles} and × ${r.ofSocket}. ` +
  `Commits p50 ${r.undisturbed.p50} → ${r.during.p50} ms, p99 ${r.undisturbed.p99} → ${r.during.p99} ms (× ${r.ofP99}), ` +
  `${r.beside.p99} ms beside the plain copy, most ${r.undisturbed.most} → ${r.during.most} ms; ${r.during.commits} during, ${r.failed} failed; ` +
  `processor ms ${JSON.stringify(r.processor)}, the newcomer's ${JSON.stringify(r.newcomer)}, ${r.processorForIt} for it`;

/** What a run with --keep left for the next. */
interface Kept {
  readonly port: number;
  readonly rows: number;
}

async function measure(dir: string): Promise<void> {
  const keptFile = path.join(dir, "bench.json");
  const kept = fs.existsSync(keptFile) ? (JSON.parse(fs.readFileSync(keptFile, "utf8")) as Kept) : undefined;
  const port = kept?.port ?? 20_000 + 100 * random.int(120);
  const cluster = await startCluster({
    ...{ mode: "single", writers: 1, replicas: 0, spares: 1, conflicts: "row", injectConflicts: 0 },
    ...{ dataDir: dir, port, inProcess: false, azLatencyMs: 0, restart: false },
    segmentBytes: Number(values["segment-mib"]) * MIB,
  });
  const db = await connect([...cluster.endpoints]);
  try {
    const began = performance.now();
    const rows = kept?.rows ?? (await fill(cluster, db, (Number(values.mib) * MIB) / PAGE_BYTES));
    if (kept === undefined)
      say(`${rows} rows written in ${((performance.now() - began) / 1000).toFixed(0)} s`);
    if (values.keep) fs.writeFileSync(keptFile, JSON.stringify({ port, rows }));
    const keys = Array.from({ length: LOAD_ROWS }, () => random.int(rows));
    for (const key of keys) await db.put(TABLE, [key], rowBytes());
    const load = new SteadyLoad({ db, table: TABLE, keys, value: rowBytes, rate: Number(values.rate) });
    load.start();
    const measurement = new Measurement(cluster, dir, load);
    try {
      await measurement.bringTogether();
      for (let n = 0; n < Number(values.rounds); n++) await measurement.round();
    } finally {
      await load.stop();
      if (load.failed > 0) say(`${load.failed} commits failed, the last with ${load.lastFailure}`);
    }
    if (!values.json) console.table(measurement.rounds.map(rowOf));
  } finally {
    await db.close();
    await cluster.stop();
  }
}

const rowOf = (r: Round): Record<string, unknown> => ({
  ...{ "copy ms": r.filesMs, "socket ms": r.socketMs, "replace ms": r.replaceMs },
  ...{ "of copy": r.ofFiles, "of socket": r.ofSocket },
  ...{
    "p99 before": r.undisturbed.p99,
    "beside the copy": r.beside.p99,
    "p99 during": r.during.p99,
    "of p99": r.ofP99,
  },
});

const dir = values.dir ?? fs.mkdtempSync(path.join(os.tmpdir(), "sixfold-replace-"));
fs.mkdirSync(dir, { recursive: true });
await measure(dir).finally(() => {
  if (!values.keep) fs.rmSync(dir, { recursive: true, force: true });
});
