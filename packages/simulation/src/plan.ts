/**
 * The plan of a run: everything that is drawn from its seed before it begins, so that it can be printed, repeated, and made
 * smaller. Parts are drawn from generators of their own: leaving one fault or one workload out changes nothing in the others.
 */
import type { Consistency, Isolation, Mode, PlantedBug } from "@sixfold/model";
import { Random, ZONES } from "@sixfold/model";
import { type TransactionStyle, WORKLOAD_NAMES, type WorkloadName } from "@sixfold/workload";
import { type Distance, DISTANCES } from "./distance.ts";
import { FAULT_NAMES, faultKind } from "./fault-catalogue.ts";
import type { PlannedFault, Targets } from "./fault.ts";

/** What a user may settle; the seed draws the rest. */
export interface Choices {
  readonly faults?: readonly string[] | undefined;
  readonly workloads?: readonly WorkloadName[] | undefined;
  readonly mode?: Mode | undefined;
  /** In mode single all but one stand by. */
  readonly writers?: number | undefined;
  /** Nodes that only read. */
  readonly replicas?: number | undefined;
  readonly distance?: Distance | undefined;
  readonly isolation?: Isolation | undefined;
  readonly consistency?: Consistency | undefined;
  /** Of the faults drawn, only those at these places. */
  readonly keep?: readonly number[] | undefined;
  /** Bugs to put in: the run must then fail. */
  readonly planted?: readonly PlantedBug[] | undefined;
}

export interface LoadPlan {
  readonly workload: WorkloadName;
  readonly as: TransactionStyle;
  readonly isolation: Isolation;
  readonly consistency: Consistency;
  readonly clients: number;
  readonly sharedPct: number;
}

/** Who must go on alone when the others are out for good: I7's least, or more. */
export interface CorePlan {
  readonly servers: readonly string[];
  readonly nodes: readonly string[];
  /** What becomes of the others. */
  readonly rest: "crash" | "isolate" | "pause";
}

export interface Plan {
  readonly seed: number;
  readonly mode: Mode;
  readonly writers: number;
  readonly replicas: number;
  /** Segment servers beyond the six. */
  readonly spares: number;
  /** Database nodes beyond those, which join for a while. */
  readonly guests: readonly string[];
  readonly distance: Distance;
  readonly poolPages: number;
  /** Small, so that logs rotate, checkpoints are made and slices are merged within a short run. */
  readonly logFileBytes: number;
  readonly mergeAboveBytes: number;
  readonly retainBytesMax: number;
  /** A client rests so long between transactions, on average. */
  readonly thinkMs: number;
  readonly safetyMs: number;
  readonly loads: readonly LoadPlan[];
  readonly faults: readonly PlannedFault[];
  readonly core: CorePlan;
  readonly planted: readonly PlantedBug[];
}

/** YCSB measures; the others look for faults. */
export const SIMULATED_WORKLOADS: readonly WorkloadName[] = WORKLOAD_NAMES.filter(
  (name) => !name.startsWith("ycsb"),
);

const FAULTS_MOST = 9;
const REPLICAS_MOST = 2;
const SAFETY_LEAST_MS = 1500;
const SAFETY_MORE_MS = 4500;

export function drawPlan(
  seed: number,
  choices: Choices,
  targets: (writers: number, replicas: number) => Targets,
): Plan {
  const random = new Random(seed);
  const shape = random.fork("shape");
  const mode = choices.mode ?? (shape.chance(0.3) ? "single" : "multi");
  const several =
    mode === "multi" ? 2 + (shape.chance(0.3) ? 1 : 0) : 1 + drawStandbys(random.fork("standbys"));
  const writers = choices.writers ?? several;
  const replicas = choices.replicas ?? drawReplicas(random.fork("replicas"));
  const aims = targets(writers, replicas);
  const safetyMs = SAFETY_LEAST_MS + shape.int(SAFETY_MORE_MS);
  const drawn = drawFaults(random.fork("faults"), choices, aims, safetyMs);
  return {
    seed,
    mode,
    writers,
    replicas,
    spares: drawn.some(({ kind }) => kind === "replace") ? ZONES : 0,
    guests: drawn.some(({ kind }) => kind === "join") ? aims.guests : [],
    poolPages: shape.pick([24, 64, 256]),
    logFileBytes: shape.pick([512, 1024, 4096]) * 1024,
    mergeAboveBytes: shape.pick([0, 16, 256]) * 1024,
    retainBytesMax: shape.pick([16, 256, 4096]) * 1024,
    thinkMs: shape.pick([10, 40, 120]),
    distance: choices.distance ?? shape.fork("distance").pick(DISTANCES),
    safetyMs,
    loads: drawLoads(random.fork("loads"), choices),
    faults: drawn.filter(({ index }) => choices.keep === undefined || choices.keep.includes(index)),
    core: drawCore(random.fork("core"), aims),
    planted: choices.planted ?? [],
  };
}

/** In half of the runs an exclusive volume has writers that stand by. */
function drawStandbys(random: Random): number {
  return random.chance(1 / 2) ? 1 + random.int(2) : 0;
}

/** In two of three runs there are none: more nodes are more events, and so fewer runs. */
function drawReplicas(random: Random): number {
  return random.chance(1 / 3) ? 1 + random.int(REPLICAS_MOST) : 0;
}

function drawLoads(random: Random, choices: Choices): LoadPlan[] {
  const from = choices.workloads ?? SIMULATED_WORKLOADS;
  const several = random.chance(0.35) ? 2 : 1;
  const names = random.shuffle([...from]).slice(0, several);
  return names.map((workload) => ({
    workload,
    as: random.pick(["procedure", "interactive"] as const),
    isolation: choices.isolation ?? random.pick(["snapshot", "serializable"] as const),
    consistency: choices.consistency ?? random.pick(["session", "session", "cluster"] as const),
    clients: 2 + random.int(4),
    sharedPct: random.pick([20, 60, 100]),
  }));
}

function drawFaults(random: Random, choices: Choices, targets: Targets, safetyMs: number): PlannedFault[] {
  const names = choices.faults ?? FAULT_NAMES;
  const count = names.length === 0 ? 0 : random.int(FAULTS_MOST + 1);
  const faults: PlannedFault[] = [];
  for (let index = 0; index < count; index++) {
    const kind = faultKind(random.pick(names));
    const atMs = random.int(safetyMs);
    faults.push({ ...kind.draw(random.fork(kind.name), targets), index, kind: kind.name, atMs });
  }
  return faults.sort((a, b) => a.atMs - b.atMs || a.index - b.index);
}

function drawCore(random: Random, targets: Targets): CorePlan {
  const least = targets.servers.length - 2;
  const shuffled = random.shuffle([...targets.servers]);
  // The server whose medium may be lost is always among those that go first.
  shuffled.sort((a, b) => Number(a === targets.damaged) - Number(b === targets.damaged));
  const nodes = random.shuffle([...targets.nodes]);
  // Somebody must be left who writes.
  const writer = nodes.findIndex((name) => targets.writers.includes(name));
  nodes.unshift(...nodes.splice(writer, 1));
  return {
    servers: shuffled.slice(0, least + random.int(2)),
    nodes: nodes.slice(0, 1 + random.int(nodes.length)),
    rest: random.pick(["crash", "isolate", "pause"] as const),
  };
}

/** The plan in words, a line each. */
export function describePlan(plan: Plan): string[] {
  const { mode, writers, replicas, distance, safetyMs, loads, faults, core } = plan;
  const several = replicas === 0 ? "" : `, ${replicas} ${replicas === 1 ? "replica" : "replicas"}`;
  return [
    `${mode}, ${writers} ${writers === 1 ? "writer" : "writers"}${several}, machines ${distance}, ${safetyMs} ms with faults`,
    ...loads.map(
      (load) =>
        `workload ${load.workload}, ${load.as}, ${load.isolation}, ${load.consistency}, ${load.clients} clients, ${load.sharedPct} % shared`,
    ),
    ...faults.map(describeFault),
    `then ${core.rest} all but ${[...core.servers, ...core.nodes].join(", ")}`,
  ];
}

export function describeFault(fault: PlannedFault): string {
  const span = fault.forMs > 0 ? `${fault.atMs} ms for ${fault.forMs} ms` : `${fault.atMs} ms`;
  return `fault ${fault.index} at ${span}: ${faultKind(fault.kind).describe(fault)}`;
}

/** The one line that does it again. */
export function commandOf(plan: Plan, choices: Choices): string {
  const words = ["sixfold simulate", `--seed ${plan.seed}`];
  if (choices.faults !== undefined) words.push(`--faults ${choices.faults.join(",") || "none"}`);
  if (choices.workloads !== undefined) words.push(`--workload ${choices.workloads.join(",")}`);
  if (choices.mode !== undefined) words.push(`--mode ${choices.mode}`);
  if (choices.writers !== undefined) words.push(`--writers ${choices.writers}`);
  if (choices.replicas !== undefined) words.push(`--replicas ${choices.replicas}`);
  if (choices.distance !== undefined) words.push(`--distance ${choices.distance}`);
  if (choices.isolation !== undefined) words.push(`--isolation ${choices.isolation}`);
  if (choices.consistency !== undefined) words.push(`--consistency ${choices.consistency}`);
  if (choices.keep !== undefined) words.push(`--keep ${choices.keep.join(",") || "none"}`);
  if (plan.planted.length > 0) words.push(`--plant ${plan.planted.join(",")}`);
  return words.join(" ");
}
