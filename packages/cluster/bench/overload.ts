/**
 * What becomes of a cluster that is asked for more than it can do, and of those who ask for little beside others who ask for much.
 *
 *     npx tsx --conditions=source packages/cluster/bench/overload.ts --seconds 20
 *
 * A real cluster of processes on the real disk (run `npm run build` first). Bystanders call a small `rmw` at a fixed rate, all the
 * time; their latency counts from when a call was due, so that a cluster that stands still is charged for all that would have come:
 *
 *     alone ──> beside a load of one kind ──> load stops ──> alone again        `calm`: from the stop until the last slow call was due
 *
 * The loads, each in a process of its own (overload-load.ts): `flood` calls the same at --rate, without retries; `sweep` and `scan` read
 * all rows again and again, as a procedure and interactive; `entries` commits --entry-mib again and again. Memory of each process is
 * sampled twice a second: what it held on average in the first and the last third of the load, and at most. Options, with their defaults:
 *
 *     --only flood,sweep,scan,entries
 *     --mode single       or multi
 *     --writers 1         the loads go to the first, bystanders to all of them
 *     --replicas 1
 *     --rows 100000
 *     --rate 30000        of the flood, calls a second
 *     --calls 200         of the bystanders, calls a second
 *     --entry-mib 15
 *     --loops 1           of sweep, scan and entries at once
 *     --seconds 20        of each load; --warm-up 10 before the first
 *     --json              a JSON object a load instead of tables
 *     --dir               where it keeps its data (default: a temporary directory, removed)
 */
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { connect } from "@sixfold/client";
import type { RunningCluster } from "../src/cluster-api.ts";
import { startCluster } from "../src/local-cluster.ts";
import { fill, nowMs, runLoad, type Kind, type LoadReport, type LoadTerms } from "./overload-load.ts";

const { values } = parseArgs({
  options: {
    load: { type: "string" },
    only: { type: "string", default: "flood,sweep,scan,entries" },
    mode: { type: "string", default: "single" },
    writers: { type: "string", default: "1" },
    replicas: { type: "string", default: "1" },
    rows: { type: "string", default: "100000" },
    rate: { type: "string", default: "30000" },
    calls: { type: "string", default: "200" },
    "entry-mib": { type: "string", default: "15" },
    loops: { type: "string", default: "1" },
    seconds: { type: "string", default: "20" },
    "warm-up": { type: "string", default: "10" },
    json: { type: "boolean", default: false },
    dir: { type: "string" },
  },
});
const SELF = fileURLToPath(import.meta.url);
const PROCEDURES = fileURLToPath(new URL("./overload-procedures.ts", import.meta.url));
/** Alone, before and after each load. */
const ALONE_MS = 5000;
const SAMPLE_MS = 500;

const pause = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));
const round = (ms: number): number => Math.round(ms * 10) / 10;

class LoadProcess {
  private readonly child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.child = child;
  }

  static async of(terms: LoadTerms): Promise<LoadProcess> {
    const child = fork(SELF, ["--load", JSON.stringify(terms)], {
      execArgv: process.execArgv,
      serialization: "advanced",
    });
    child.once("exit", (code) => {
      if (code !== 0) throw new Error(`the load ${terms.kind} ended with ${code}`);
    });
    await once(child, "message");
    return new LoadProcess(child);
  }

  get pid(): number {
    return this.child.pid!;
  }

  start(): void {
    this.child.send("start");
  }

  stop(): void {
    this.child.send("stop");
  }

  async take(): Promise<LoadReport> {
    const answer = once(this.child, "message");
    this.child.send("take");
    return ((await answer) as [LoadReport])[0];
  }

  end(): void {
    this.child.disconnect();
  }
}

interface Summary {
  readonly done: number;
  readonly p50: number;
  readonly p99: number;
  /** The median of the p99 of each second: what else the machine does now and then counts little in it. */
  readonly usualP99: number;
  readonly most: number;
}

type Calls = LoadReport["done"];

const part = (times: readonly number[], share: number): number => {
  const sorted = Float64Array.from(times).sort();
  return round(sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0);
};

function summary(calls: Calls): Summary {
  const times = calls.map(([, ms]) => ms);
  const seconds = new Map<number, number[]>();
  for (const [due, ms] of calls) {
    const second = Math.floor(due / 1000);
    const before = seconds.get(second);
    if (before === undefined) seconds.set(second, [ms]);
    else before.push(ms);
  }
  const usualP99 = part(
    [...seconds.values()].map((one) => part(one, 0.99)),
    0.5,
  );
  return {
    done: calls.length,
    p50: part(times, 0.5),
    p99: part(times, 0.99),
    usualP99,
    most: part(times, 1),
  };
}

/** MiB that a process holds. */
function memoryOf(pid: number): number {
  try {
    const found = /^RssAnon:\s+(\d+) kB/m.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"));
    return Number(found?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

interface Held {
  readonly first: number;
  readonly last: number;
  readonly most: number;
}

/** Memory of processes by name, until told to end. */
class MemoryWatch {
  private readonly pids: ReadonlyMap<string, number>;
  private readonly samples = new Map<string, number[]>();
  private readonly timer: NodeJS.Timeout;

  constructor(pids: ReadonlyMap<string, number>) {
    this.pids = pids;
    this.timer = setInterval(() => this.sample(), SAMPLE_MS);
  }

  end(): Record<string, Held> {
    clearInterval(this.timer);
    const mean = (some: readonly number[]): number =>
      Math.round(some.reduce((sum, x) => sum + x, 0) / Math.max(1, some.length));
    const held = [...this.samples].map(([name, all]): [string, Held] => {
      const third = Math.ceil(all.length / 3);
      const most = Math.round(Math.max(...all));
      return [name, { first: mean(all.slice(0, third)), last: mean(all.slice(-third)), most }];
    });
    return Object.fromEntries(held);
  }

  private sample(): void {
    for (const [name, pid] of this.pids) {
      const all = this.samples.get(name);
      if (all === undefined) this.samples.set(name, [memoryOf(pid)]);
      else all.push(memoryOf(pid));
    }
  }
}

/** What is under way at the writers at most, as they say. */
async function pressureOf(cluster: RunningCluster): Promise<unknown> {
  const writer = cluster.nodes.find(({ role }) => role === "writer")!;
  const answer = await fetch(`${writer.url.replace(/^ws/, "http")}/status`);
  return ((await answer.json()) as { pressure: unknown }).pressure;
}

interface Beside {
  readonly load: Kind;
  readonly alone: Summary;
  readonly beside: Summary;
  /** Of the bystanders' p99. */
  readonly moreP99Ms: number;
  readonly moreUsualP99Ms: number;
  readonly calmMs: number;
  readonly bystandersFailed: Readonly<Record<string, number>>;
  readonly own: Summary;
  readonly ownPerSecond: number;
  readonly failed: Readonly<Record<string, number>>;
  readonly refusedP99: number;
  readonly pressure: unknown;
  readonly memoryMib: Readonly<Record<string, Held>>;
}

async function beside(cluster: RunningCluster, bystanders: LoadProcess, terms: LoadTerms): Promise<Beside> {
  const seconds = Number(values.seconds);
  const load = await LoadProcess.of(terms);
  await bystanders.take();
  await pause(ALONE_MS);
  const alone = summary((await bystanders.take()).done);
  const pids = new Map([...cluster.nodes.map(({ name, pid }) => [name, pid] as const), ["load", load.pid]]);
  const memory = new MemoryWatch(pids);
  load.start();
  await pause(500 * seconds);
  const pressure = await pressureOf(cluster);
  await pause(500 * seconds);
  load.stop();
  const stoppedAt = nowMs();
  const memoryMib = memory.end();
  await pause(ALONE_MS);
  const calls = await bystanders.take();
  const own = await load.take();
  load.end();
  const during = calls.done.filter(([due]) => due < stoppedAt);
  const slow = calls.done.filter(([due, ms]) => due >= stoppedAt && ms > 2 * alone.p99);
  const besides = summary(during);
  return {
    load: terms.kind,
    alone,
    beside: besides,
    moreP99Ms: round(besides.p99 - alone.p99),
    calmMs: Math.round(Math.max(0, ...slow.map(([due]) => due - stoppedAt))),
    bystandersFailed: calls.failed,
    moreUsualP99Ms: round(besides.usualP99 - alone.usualP99),
    own: summary(own.done),
    ownPerSecond: round(own.done.length / seconds),
    failed: own.failed,
    refusedP99: part(own.refusedMs, 0.99),
    pressure,
    memoryMib,
  };
}

function show(result: Beside): void {
  if (values.json)
    return console.log(JSON.stringify({ event: "overload", ...result, load1: os.loadavg()[0] }));
  const { load, alone, beside: with_, own, refusedP99, memoryMib } = result;
  const line = (s: Summary): string =>
    `${s.done} done, p50 ${s.p50}, p99 ${s.p99} (usually ${s.usualP99}), most ${s.most} ms`;
  console.log(`\n${load} (load of the machine ${os.loadavg()[0]!.toFixed(1)})`);
  console.log(`  bystanders alone    ${line(alone)}`);
  console.log(
    `  bystanders beside   ${line(with_)}; p99 + ${result.moreP99Ms} (usually ${result.moreUsualP99Ms})`,
  );
  console.log(
    `  failed              ${JSON.stringify(result.bystandersFailed)}; calm after ${result.calmMs} ms`,
  );
  console.log(`  the load itself     ${line(own)}; ${result.ownPerSecond} a second`);
  console.log(
    `  its failures        ${JSON.stringify(result.failed)}; refused within ${refusedP99} ms (p99)`,
  );
  console.log(`  pressure            ${JSON.stringify(result.pressure)}`);
  console.table(memoryMib);
}

async function measure(dataDir: string): Promise<void> {
  const [rows, rate, mib] = [Number(values.rows), Number(values.rate), Number(values["entry-mib"])];
  const loops = Number(values.loops);
  const cluster = await startCluster({
    mode: values.mode === "multi" ? "multi" : "single",
    writers: Number(values.writers),
    replicas: Number(values.replicas),
    procedures: PROCEDURES,
    ...{ dataDir, port: 0, conflicts: "row", injectConflicts: 0 },
    ...{ inProcess: false, azLatencyMs: 0, restart: false },
  });
  try {
    const urls = cluster.nodes.filter(({ role }) => role === "writer").map(({ url }) => url);
    const db = await connect(urls);
    await fill(db, rows);
    await db.close();
    const bystanders = await LoadProcess.of({
      ...{ kind: "bystanders", urls, rows, mib, loops, rate: Number(values.calls) },
    });
    bystanders.start();
    await pause(1000 * Number(values["warm-up"]));
    for (const kind of values.only.split(",") as Kind[])
      show(await beside(cluster, bystanders, { kind, urls: urls.slice(0, 1), rows, rate, mib, loops }));
    bystanders.end();
  } finally {
    await cluster.stop();
  }
}

if (values.load !== undefined) await runLoad(JSON.parse(values.load) as LoadTerms);
else {
  const dir = values.dir ?? fs.mkdtempSync(path.join(os.tmpdir(), "sixfold-overload-"));
  try {
    await measure(dir);
  } finally {
    if (values.dir === undefined) fs.rmSync(dir, { recursive: true, force: true });
  }
}
