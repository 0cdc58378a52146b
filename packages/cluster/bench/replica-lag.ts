/**
 * How far read replicas are behind a writer under full load.
 *
 *     npx tsx --conditions=source packages/cluster/bench/replica-lag.ts --clients 32 --seconds 15
 *
 * A real cluster of processes on the real disk (run `npm run build` first). A process of its own drives the load: clients in
 * closed loops, each a transfer between two of the accounts. This process probes, one probe at a time and round the replicas:
 *
 *     commit a stamp at the writer ──> answered ──> read it at the replica, with the session's token ──> answered
 *                                          └──────────────────── seen ────────────────────────────────────┘
 *     read anything at the replica ──> answered       what a read costs without waiting for anything
 *
 * `seen` bounds the lag from above: it includes the read itself. `own` is what the replicas say of themselves
 * (lag-meter.ts): percentiles of the last minute, the worst of them. Options, with their defaults:
 *
 *     --mode single       or multi
 *     --writers 1         the load goes to all of them, the stamps to the first
 *     --replicas 1
 *     --clients 32        of the load; 0 for none
 *     --accounts 10000
 *     --seconds 15        after a warm-up of --warm-up 5
 *     --dir               where it keeps its data (default: a temporary directory, removed)
 */
import { fork, type ChildProcess } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { connect, isRetryable, type Database } from "@sixfold/client";
import { startCluster } from "../src/local-cluster.ts";

const { values } = parseArgs({
  options: {
    load: { type: "string" },
    mode: { type: "string", default: "single" },
    writers: { type: "string", default: "1" },
    replicas: { type: "string", default: "1" },
    clients: { type: "string", default: "32" },
    accounts: { type: "string", default: "10000" },
    seconds: { type: "string", default: "15" },
    "warm-up": { type: "string", default: "5" },
    dir: { type: "string" },
  },
});
const ACCOUNTS = "accounts";
const STAMPS = "stamps";
const CLIENTS_PER_CONNECTION = 16;
const accounts = Number(values.accounts);
const clients = Number(values.clients);

/** The load's side: says how much was committed each time it is asked. */
async function load(urls: readonly string[]): Promise<void> {
  let committed = 0;
  const databases = await Promise.all(
    Array.from({ length: Math.ceil(clients / CLIENTS_PER_CONNECTION) }, () => connect(urls)),
  );
  process.on("message", () => process.send!({ committed, at: performance.now() }));
  process.on("disconnect", () => process.exit());
  const client = async (db: Database): Promise<never> => {
    for (;;) {
      const [from, to] = [Math.floor(Math.random() * accounts), Math.floor(Math.random() * accounts)];
      try {
        await db.transaction(async (tx) => {
          const [a = 0, b = 0] = await Promise.all([
            tx.get<number>(ACCOUNTS, from),
            tx.get<number>(ACCOUNTS, to),
          ]);
          tx.put(ACCOUNTS, from, a - 1);
          tx.put(ACCOUNTS, to, b + 1);
        });
        committed++;
      } catch (error) {
        if (!isRetryable(error)) throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: clients }, (_, i) => client(databases[i % databases.length]!)));
}

async function fill(db: Database): Promise<void> {
  await db.createTable(ACCOUNTS);
  await db.createTable(STAMPS);
  for (let from = 0; from < accounts; from += 500)
    await db.transaction((tx) => {
      for (let i = from; i < Math.min(accounts, from + 500); i++) tx.put(ACCOUNTS, i, 100);
    });
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));

const committedBy = (loader: ChildProcess): Promise<{ committed: number; at: number }> =>
  new Promise((resolve) => {
    loader.once("message", (said) => resolve(said as { committed: number; at: number }));
    loader.send("how much?");
  });

const timed = async (work: () => Promise<unknown>): Promise<number> => {
  const began = performance.now();
  await work();
  return performance.now() - began;
};

/** p50, p99 and the most of some times, to a hundredth of a millisecond. */
function summary(times: readonly number[]): { p50: number; p99: number; max: number } {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (part: number): number =>
    Math.round((sorted[Math.ceil(part * sorted.length) - 1] ?? 0) * 100) / 100;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

interface OwnLag {
  readonly streams: Readonly<Record<string, { p50Ms: number; p99Ms: number; maxMs: number }>>;
}

/** The worst of what the replicas measured themselves. */
async function ownLag(replicas: readonly Database[]): Promise<{ p50: number; p99: number; max: number }> {
  const all = await Promise.all(replicas.map((db) => db.status()));
  const lags = all.flatMap(({ lag }) => Object.values((lag as OwnLag | undefined)?.streams ?? {}));
  const most = (of: (lag: (typeof lags)[number]) => number): number => Math.max(...lags.map(of));
  return { p50: most((l) => l.p50Ms), p99: most((l) => l.p99Ms), max: most((l) => l.maxMs) };
}

async function probe(writer: Database, replicas: readonly Database[], untilMs: number) {
  const seen: number[] = [];
  const commits: number[] = [];
  const reads: number[] = [];
  for (let i = 0; performance.now() < untilMs; i++) {
    const replica = replicas[i % replicas.length]!;
    const session = writer.session();
    commits.push(await timed(() => session.put(STAMPS, "stamp", i)));
    const at = replica.session(session.token);
    seen.push(
      await timed(async () => {
        const value = await at.get<number>(STAMPS, "stamp");
        if (value !== i) throw new Error(`a session missed its own write: ${value} instead of ${i}`);
      }),
    );
    reads.push(await timed(() => replica.session().get(STAMPS, "stamp")));
    await pause(Math.random() * 20);
  }
  return { seen, commits, reads };
}

async function measure(dataDir: string): Promise<void> {
  const cluster = await startCluster({
    mode: values.mode === "multi" ? "multi" : "single",
    writers: Number(values.writers),
    replicas: Number(values.replicas),
    ...{
      dataDir,
      port: 0,
      conflicts: "row",
      injectConflicts: 0,
      inProcess: false,
      azLatencyMs: 0,
      restart: false,
    },
  });
  const urlsOf = (role: string): string[] =>
    cluster.nodes.filter((node) => node.role === role).map(({ url }) => url);
  const writers = urlsOf("writer");
  const writer = await connect([writers[0]!]);
  const replicas = await Promise.all(urlsOf("replica").map((url) => connect([url])));
  await fill(writer);
  const loader =
    clients === 0
      ? undefined
      : fork(fileURLToPath(import.meta.url), [...process.argv.slice(2), "--load", writers.join()], {
          execArgv: process.execArgv,
        });
  try {
    await probe(writer, replicas, performance.now() + 1000 * Number(values["warm-up"]));
    const before = loader === undefined ? undefined : await committedBy(loader);
    const { seen, commits, reads } = await probe(
      writer,
      replicas,
      performance.now() + 1000 * Number(values.seconds),
    );
    const after = loader === undefined ? undefined : await committedBy(loader);
    const perSecond =
      before === undefined || after === undefined
        ? 0
        : Math.round((1000 * (after.committed - before.committed)) / (after.at - before.at));
    const about = { mode: values.mode, writers: writers.length, replicas: replicas.length, clients };
    console.log(
      JSON.stringify({
        ...{ event: "replica-lag", ...about, committedPerSecond: perSecond, probes: seen.length },
        ...{
          seenMs: summary(seen),
          readMs: summary(reads),
          ownMs: await ownLag(replicas),
          commitMs: summary(commits),
        },
        ...{ load: os.loadavg()[0] },
      }),
    );
  } finally {
    loader?.disconnect();
    for (const db of [writer, ...replicas]) await db.close();
    await cluster.stop();
  }
}

if (values.load !== undefined) await load(values.load.split(","));
else {
  const dir = values.dir ?? fs.mkdtempSync(path.join(os.tmpdir(), "sixfold-lag-"));
  try {
    await measure(dir);
  } finally {
    if (values.dir === undefined) fs.rmSync(dir, { recursive: true, force: true });
  }
}
