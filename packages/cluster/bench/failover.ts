/**
 * How long nobody writes when the writer of an exclusive volume is killed, under load, and what that costs its clients.
 *
 *     npx tsx --conditions=source packages/cluster/bench/failover.ts --mib 1024
 *
 * A real cluster of processes on the real disk (run `npm run build` first). A process of its own drives the load: transfers between
 * accounts, each of which also writes a row of its own, so that afterwards every one of them can be looked for. Times are from the
 * kill (SIGKILL) of the node that writes:
 *
 *     kill ──detection──> suspected ──recovery proper──> its stream closed, another open ──> first new commit at a client
 *
 * In the end every acknowledged row must be there, every outcome that a client had to leave open is asked for (`outcome`) and compared
 * with its row, and the accounts must sum to what they held. Options, with their defaults:
 *
 *     --mib 10            data in the volume before the load begins
 *     --clients 32
 *     --writers 1         beyond the first: standbys
 *     --replicas 1
 *     --rounds 5          kills, one after the other: of whoever writes then
 *     --settle-ms 4000    load before each kill
 *     --planned           hand over by `failover` instead of a kill
 *     --dir               where it keeps its data (default: a temporary directory, removed)
 */
import { fork } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { connect, SixfoldError, type Database } from "@sixfold/client";
import type { RunningCluster } from "../src/cluster-api.ts";
import { startCluster } from "../src/local-cluster.ts";

const { values } = parseArgs({
  options: {
    load: { type: "string" },
    mib: { type: "string", default: "10" },
    clients: { type: "string", default: "32" },
    writers: { type: "string", default: "1" },
    replicas: { type: "string", default: "1" },
    rounds: { type: "string", default: "5" },
    "settle-ms": { type: "string", default: "4000" },
    planned: { type: "boolean", default: false },
    dir: { type: "string" },
  },
});
const ACCOUNTS = "accounts";
const TRANSFERS = "transfers";
const BULK = "bulk";
const ACCOUNT_COUNT = 2000;
const START = 1000;
const VALUE_BYTES = 512 << 10;
const VALUES_AT_ONCE = 16;
const CLIENTS_PER_CONNECTION = 16;

/** Of both processes alike. */
const nowMs = (): number => performance.timeOrigin + performance.now();
const pause = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));

interface LoadReport {
  readonly committed: number;
  readonly aborted: number;
  /** Left open by an error and resolved by `outcome`. */
  readonly resolved: { readonly committed: number; readonly aborted: number };
  readonly wrong: readonly string[];
}

/** The load's side. Tells the time of every acknowledged commit, and in the end whether all of them are there. */
async function load(urls: readonly string[]): Promise<void> {
  const databases = await Promise.all(
    Array.from({ length: Math.ceil(Number(values.clients) / CLIENTS_PER_CONNECTION) }, () => connect(urls)),
  );
  let stopping = false;
  const expected = new Map<string, boolean>();
  const report = { committed: 0, aborted: 0, resolved: { committed: 0, aborted: 0 } };
  const transfer = async (db: Database, row: string): Promise<void> => {
    const [from, to] = [Math.floor(Math.random() * ACCOUNT_COUNT), Math.floor(Math.random() * ACCOUNT_COUNT)];
    await db.transaction(async (tx) => {
      const [a = 0, b = 0] = await Promise.all([
        tx.get<number>(ACCOUNTS, from),
        tx.get<number>(ACCOUNTS, to),
      ]);
      if (from !== to) {
        tx.put(ACCOUNTS, from, a - 1);
        tx.put(ACCOUNTS, to, b + 1);
      }
      tx.put(TRANSFERS, row, 1);
    });
  };
  const client = async (db: Database, number: number): Promise<void> => {
    for (let i = 0; !stopping; i++) {
      const row = `${number}-${i}`;
      try {
        await transfer(db, row);
        expected.set(row, true);
        report.committed++;
        process.send!({ at: nowMs() });
      } catch (error) {
        if (!(error instanceof SixfoldError)) throw error;
        const isOpen = error.outcome === "unknown";
        const isThere = isOpen && (await resolved(db, error));
        expected.set(row, isThere);
        if (!isOpen) report.aborted++;
        else report.resolved[isThere ? "committed" : "aborted"]++;
      }
    }
  };
  const running = Promise.all(
    Array.from({ length: Number(values.clients) }, (_, i) => client(databases[i % databases.length]!, i)),
  );
  running.catch((error: unknown) => {
    console.error(error);
    process.exit(1);
  });
  process.on("disconnect", () => process.exit());
  process.on("message", () => {
    stopping = true;
    void running.then(async () => {
      const wrong = await compare(databases[0]!, expected);
      for (const db of databases) await db.close();
      process.send!({ ...report, wrong } satisfies LoadReport);
    });
  });
}

/** What became of it, from storage, however long that takes. */
async function resolved(db: Database, error: SixfoldError): Promise<boolean> {
  const id = error.details.transaction;
  if (id === undefined) throw error;
  for (;;) {
    const outcome = await db.outcome(id).catch(() => "unknown");
    if (outcome !== "unknown") return outcome === "committed";
    await pause(20);
  }
}

async function compare(db: Database, expected: ReadonlyMap<string, boolean>): Promise<string[]> {
  const wrong: string[] = [];
  const there = new Set<string>();
  let sum = 0;
  await db.transaction(async (tx) => {
    for await (const [row] of tx.scan(TRANSFERS)) there.add(row as string);
    for await (const [, balance] of tx.scan<number>(ACCOUNTS)) sum += balance;
  });
  for (const [row, isExpected] of expected)
    if (there.has(row) !== isExpected)
      wrong.push(`${row} is ${isExpected ? "lost" : "there, though it was aborted"}`);
  if (sum !== ACCOUNT_COUNT * START) wrong.push(`the accounts hold ${sum}, not ${ACCOUNT_COUNT * START}`);
  return wrong;
}

async function fill(db: Database): Promise<void> {
  for (const table of [ACCOUNTS, TRANSFERS, BULK]) await db.createTable(table);
  for (let from = 0; from < ACCOUNT_COUNT; from += 500)
    await db.transaction((tx) => {
      for (let i = from; i < from + 500; i++) tx.put(ACCOUNTS, i, START);
    });
  const value = new Uint8Array(VALUE_BYTES).map((_, i) => i);
  const count = Math.ceil((Number(values.mib) * (1 << 20)) / VALUE_BYTES);
  for (let from = 0; from < count; from += VALUES_AT_ONCE)
    await db.transaction((tx) => {
      for (let i = from; i < Math.min(count, from + VALUES_AT_ONCE); i++) tx.put(BULK, i, value);
    });
}

interface Logged {
  readonly at: number;
  readonly name: string;
  readonly event: string;
}

/** What the database nodes have logged since then. */
function loggedSince(dataDir: string, names: readonly string[], since: number): Logged[] {
  const lines = names.flatMap((name) =>
    fs.readFileSync(path.join(dataDir, "logs", `${name}.log`), "utf8").split("\n"),
  );
  return lines
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as { time?: string; name: string; event: string })
    .flatMap(({ time, name, event }) => (time === undefined ? [] : [{ at: Date.parse(time), name, event }]))
    .filter(({ at }) => at >= Math.floor(since))
    .sort((a, b) => a.at - b.at);
}

async function states(cluster: RunningCluster): Promise<Map<string, Record<string, unknown>>> {
  const out = new Map<string, Record<string, unknown>>();
  for (const { name, url, role } of cluster.nodes) {
    if (role === "segment") continue;
    try {
      const answer = await fetch(`${url.replace(/^ws/, "http")}/status`, {
        signal: AbortSignal.timeout(5000),
      });
      out.set(name, (await answer.json()) as Record<string, unknown>);
    } catch {
      // It is not there just now.
    }
  }
  return out;
}

/** The node that writes, once all are there and one does. */
async function writerOf(cluster: RunningCluster): Promise<string> {
  for (;;) {
    const all = await states(cluster);
    const nodes = cluster.nodes.filter((node) => node.role !== "segment").length;
    const isReady = all.size === nodes && [...all.values()].every((status) => status["ready"] === true);
    const writer = [...all].find(([, status]) => status["state"] === "writing");
    if (isReady && writer !== undefined) return writer[0];
    await pause(50);
  }
}

async function round(cluster: RunningCluster, dataDir: string, acks: readonly number[]): Promise<object> {
  const writer = await writerOf(cluster);
  await pause(Number(values["settle-ms"]));
  const names = cluster.nodes.filter((node) => node.role !== "segment").map(({ name }) => name);
  const before = acks.length;
  const killed = nowMs();
  if (values.planned) {
    const url = cluster.nodes.find(({ name }) => name === writer)!.url.replace(/^ws/, "http");
    const answer = await fetch(`${url}/failover`, { method: "POST", body: "{}" });
    const said = (await answer.json()) as object;
    await pause(500);
    return { ...said, longestGapMs: longestGap(acks.slice(before - 1)) };
  }
  cluster.kill(writer);
  const opened = await eventually(() =>
    loggedSince(dataDir, names, killed).find(({ event }) => event === "stream-opened"),
  );
  const suspected = loggedSince(dataDir, names, killed).find(({ event }) => event === "writer-suspected");
  const first = await eventually(() => acks.slice(before).find((at) => at >= opened.at));
  const ms = (at: number | undefined): number | null => (at === undefined ? null : Math.round(at - killed));
  return {
    ...{ killed: writer, writer: opened.name, detectionMs: ms(suspected?.at) },
    recoveryMs: suspected === undefined ? null : opened.at - suspected.at,
    ...{ firstCommitMs: ms(first), lastOldCommitMs: ms(acks.findLast((at) => at < opened.at)) },
  };
}

async function eventually<T>(look: () => T | undefined): Promise<T> {
  for (;;) {
    const found = look();
    if (found !== undefined) return found;
    await pause(10);
  }
}

const longestGap = (times: readonly number[]): number =>
  Math.round(times.reduce((most, at, i) => Math.max(most, i === 0 ? 0 : at - times[i - 1]!), 0));

async function measure(dataDir: string): Promise<void> {
  const cluster = await startCluster({
    ...{
      mode: "single",
      writers: Number(values.writers),
      replicas: Number(values.replicas),
      dataDir,
      port: 0,
    },
    ...{ conflicts: "row", injectConflicts: 0, inProcess: false, azLatencyMs: 0, restart: true },
  });
  try {
    const urls = cluster.nodes.filter((node) => node.role !== "segment").map(({ url }) => url);
    const db = await connect(urls);
    await fill(db);
    await db.close();
    await underLoad(cluster, dataDir, urls);
  } finally {
    await cluster.stop();
  }
}

async function underLoad(cluster: RunningCluster, dataDir: string, urls: readonly string[]): Promise<void> {
  const acks: number[] = [];
  const self = fileURLToPath(import.meta.url);
  const loader = fork(self, [...process.argv.slice(2), "--load", urls.join()], {
    execArgv: process.execArgv,
  });
  try {
    const ended = new Promise<LoadReport>((resolve) => {
      loader.on("message", (said: LoadReport | { readonly at: number }) => {
        if ("at" in said) acks.push(said.at);
        else resolve(said);
      });
    });
    await eventually(() => acks[0]);
    const about = { mib: Number(values.mib), clients: Number(values.clients), load: os.loadavg()[0] };
    for (let i = 0; i < Number(values.rounds); i++)
      console.log(JSON.stringify({ event: "failover", ...about, ...(await round(cluster, dataDir, acks)) }));
    loader.send("enough");
    const { wrong, ...counts } = await ended;
    console.log(JSON.stringify({ event: "checked", ...counts, wrong: wrong.length }));
    for (const what of wrong.slice(0, 10)) console.error(what);
    if (wrong.length > 0) process.exitCode = 1;
  } finally {
    loader.disconnect();
  }
}

if (values.load !== undefined) await load(values.load.split(","));
else {
  const dir = values.dir ?? fs.mkdtempSync(path.join(os.tmpdir(), "sixfold-failover-"));
  try {
    await measure(dir);
  } finally {
    if (values.dir === undefined) fs.rmSync(dir, { recursive: true, force: true });
  }
}
