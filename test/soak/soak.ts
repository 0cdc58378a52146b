/**
 * Minutes of `transfer` on real processes, several masters, while segment servers die and a whole availability zone is lost and returns:
 *
 *     npm run soak                            ten minutes
 *     npm run soak -- --minutes 3 --json      shorter, a JSON line a phase
 *     npm run soak -- --seed 7                the same victims again
 *
 *     warm-up ── kills ── settle ── whole ── zone lost ── returning ── whole ── zone lost ── …      three times (`--cycles`)
 *
 * Exit 1 if an acknowledged commit is lost, an invariant is broken (the monitor listens with `--monitor`, which costs speed), or the throughput
 * is lower than it may be: 70 % while the zone is lost, 95 % after it returned, of what it was before (phases.ts).
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { startCluster, type RunningCluster } from "@sixfold/cluster";
import { Random } from "@sixfold/model";
import { PROCEDURES_URL } from "@sixfold/workload";
import { LiveLoad } from "../e2e/live-load.ts";
import { judge, percent, PhaseClock, rateOf, type Phase } from "./phases.ts";

/** Of the time; the rest is for the cycles. */
const SHARES = { warmUp: 0.1, kills: 0.2, settle: 0.05 };
/** Of a cycle. */
const RETURNING = 0.1;
/** Between two kills, and from a kill to the start of the next process. */
const KILL_EVERY_MS = [2000, 4000] as const;
const DOWN_MS = [200, 2000] as const;

interface Options {
  readonly minutes: number;
  readonly seed: number;
  readonly writers: number;
  readonly clients: number;
  readonly shared: number;
  readonly cycles: number;
  readonly zone: string;
  readonly json: boolean;
  readonly monitor: boolean;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string", default: "10" },
      seed: { type: "string", default: String(Date.now() % 1_000_000) },
      writers: { type: "string", default: "2" },
      clients: { type: "string", default: "16" },
      shared: { type: "string", default: "20" },
      cycles: { type: "string", default: "3" },
      zone: { type: "string", default: "c" },
      json: { type: "boolean", default: false },
      monitor: { type: "boolean", default: false },
    },
  });
  type Numbered = "minutes" | "seed" | "writers" | "clients" | "shared" | "cycles";
  const number = (name: Numbered, least: number): number => {
    const value = Number(values[name]);
    if (!(value >= least))
      throw new RangeError(`--${name} takes a number from ${least}, not ${values[name]}`);
    return value;
  };
  if (!["a", "b", "c"].includes(values.zone)) throw new RangeError("--zone takes a, b or c");
  return {
    minutes: number("minutes", 0.25),
    seed: number("seed", 0),
    writers: number("writers", 1),
    clients: number("clients", 1),
    shared: number("shared", 0),
    cycles: number("cycles", 1),
    zone: values.zone,
    json: values.json,
    monitor: values.monitor,
  };
}

const rest = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const between = (random: Random, [least, most]: readonly [number, number]): number =>
  least + random.int(most - least);

/** Kills a segment server now and then for so long, and starts it again; no two are down at once. */
async function kill(cluster: RunningCluster, random: Random, seconds: number): Promise<number> {
  const segments = cluster.nodes.filter((node) => node.role === "segment").map((node) => node.name);
  let kills = 0;
  for (const end = performance.now() + seconds * 1000; performance.now() < end; kills++) {
    const victim = random.pick(segments);
    cluster.kill(victim);
    await rest(between(random, DOWN_MS));
    await cluster.start(victim);
    await rest(between(random, KILL_EVERY_MS));
  }
  return kills;
}

async function soak(options: Options, say: (phase: Phase) => void, dataDir: string): Promise<string[]> {
  const random = new Random(options.seed);
  const { writers, clients, shared: sharedPct, monitor } = options;
  const cluster = await startCluster({
    ...{ mode: "multi", writers, replicas: 0, conflicts: "row", injectConflicts: 0, azLatencyMs: 0 },
    ...{ dataDir, port: 0, inProcess: false, restart: false, monitor },
    procedures: fileURLToPath(PROCEDURES_URL),
    segmentBytes: 1 << 20,
  });
  try {
    const load = await LiveLoad.start(cluster.endpoints, {
      ...{ workload: "transfer", as: "procedure", writers, sharedPct, clients, records: 10_000 },
      seed: options.seed,
    });
    const clock = new PhaseClock(load);
    const total = options.minutes * 60;
    const zone = cluster.nodes.filter((node) => node.az === options.zone).map((node) => node.name);
    let kills = 0;
    say(await clock.run("warm-up", total * SHARES.warmUp));
    say(
      await clock.run("kills", 0, async () => {
        kills = await kill(cluster, random, total * SHARES.kills);
      }),
    );
    say(await clock.run("settle", total * SHARES.settle));
    const back = async (): Promise<void> => void (await Promise.all(zone.map((name) => cluster.start(name))));
    const cycle = (total * (1 - SHARES.warmUp - SHARES.kills - SHARES.settle)) / (options.cycles + 0.5);
    const window = (cycle * (1 - RETURNING)) / 2;
    say(await clock.run("whole", window));
    for (let i = 0; i < options.cycles; i++) {
      for (const name of zone) cluster.kill(name);
      say(await clock.run("zone lost", window));
      say(await clock.run("returning", cycle * RETURNING, back));
      say(await clock.run("whole", window));
    }
    const { unknown, committed } = load;
    const verdict = await load.finish();
    await cluster.stop();
    const { during, after, faults } = judge(clock.phases, verdict, cluster.violations());
    process.stderr.write(
      `${committed} commits acknowledged, ${unknown} with an unknown outcome settled; ${kills} kills and ${zone.join(", ")} lost: ` +
        `${percent(during)} of the throughput meanwhile, ${percent(after)} afterwards; transfers ${verdict}\n`,
    );
    return [...faults];
  } finally {
    await cluster.stop();
  }
}

function show(json: boolean, phase: Phase): void {
  const { name, seconds, committed, longestPauseMs } = phase;
  const rate = Math.round(rateOf(phase));
  if (json) {
    process.stdout.write(`${JSON.stringify({ event: "phase", ...phase, committedPerSecond: rate })}\n`);
    return;
  }
  process.stdout.write(
    `${name.padEnd(10)} ${seconds.toFixed(0).padStart(4)} s ${String(committed).padStart(8)} commits ${String(rate).padStart(6)}/s, longest pause ${longestPauseMs} ms\n`,
  );
}

async function main(): Promise<number> {
  let options: Options;
  try {
    options = readOptions();
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 2;
  }
  process.stderr.write(`soak, seed ${options.seed}, ${options.minutes} minutes\n`);
  const dataDir = mkdtempSync(path.join(tmpdir(), "sixfold-soak-"));
  try {
    const faults = await soak(options, (phase) => show(options.json, phase), dataDir);
    for (const fault of faults) process.stderr.write(`${fault}\n`);
    process.stderr.write(faults.length === 0 ? "passed\n" : "failed\n");
    return faults.length === 0 ? 0 : 1;
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}

process.exitCode = await main();
