/**
 * One run from its plan to its verdict.
 *
 *     set up ──> safety: faults come and go ──> liveness: a core alone, the others out for good ──> all back ──> judge
 *                 nothing may be wrong            it must commit within a bound                      rows, history, protocol, disks
 *
 * In the first phase anything may happen, so nothing is asked but that no promise is broken. In the second a minority
 * is out and the network is whole, so progress is asked too (after TigerBeetle's simulator).
 */
import { check, formatReport, type History, type Report } from "@sixfold/checker";
import { checkStored } from "@sixfold/cluster";
import { REPLICAS, SixfoldError, type Traced } from "@sixfold/model";
import { Monitor, showViolation } from "@sixfold/protocol";
import { Field } from "./field.ts";
import { faultKind } from "./fault-catalogue.ts";
import type { Targets } from "./fault.ts";
import { Load, type LoadCounts } from "./load.ts";
import type { CorePlan, Plan } from "./plan.ts";
import { CLIENTS, SimulatedCluster, simulatedTopology } from "./simulated-cluster.ts";
import { storedImages } from "./stored-images.ts";

/**
 * What noticed it: the workload's own rows, the checker of histories, the protocol's monitor, the check of what the disks hold in the
 * end, a process that failed, or nothing going on.
 */
export type ViolationKind = "workload" | "history" | "monitor" | "storage" | "failure" | "liveness";

export interface Violation {
  readonly kind: ViolationKind;
  readonly text: string;
}

export interface RunResult {
  readonly seed: number;
  /** Over everything that happened: the same seed gives the same. */
  readonly hash: string;
  readonly violations: readonly Violation[];
  readonly virtualMs: number;
  readonly events: number;
  readonly counts: LoadCounts;
  /** What histories showed, by the options of the transactions concerned. */
  readonly histories: readonly HistoryCount[];
}

export interface HistoryCount {
  /** "snapshot+session"; of an anomaly among transactions with several options, all of them. */
  readonly options: string;
  /** Committed transactions with these options. */
  readonly transactions: number;
  /** Anomalies, allowed ones too, by name. */
  readonly anomalies: Readonly<Record<string, number>>;
}

export interface Watch {
  /** Faults and logs as they happen. */
  readonly line?: ((line: string) => void) | undefined;
  /** Every event of the world: two runs that should be alike can be held against each other. */
  readonly event?: ((line: string) => void) | undefined;
}

/** Virtual times within which a healthy cluster does the thing, whatever it was through before. */
const SETUP_LIMIT_MS = 60_000;
const LIVENESS_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 120_000;
const CHECK_LIMIT_MS = 240_000;
/** Commits that prove the core alive. */
const CORE_COMMITS = 10;
const AUDIT_EVERY_MS = 700;
const RESTART_AFTER_MS = 1000;
/** Violations of one kind beyond which more say nothing new. */
const VIOLATIONS_KEPT = 5;

/** Few: that faults meet at one. */
const GUESTS = ["guest-1", "guest-2", "reading-guest"] as const;

export function targetsOf(writers: number, replicas: number, damaged: number): Targets {
  const { servers, nodes } = simulatedTopology({ writers, replicas });
  const zones = new Map<string, string>([[CLIENTS, "a"]]);
  for (const { name, az } of [...servers, ...nodes]) zones.set(name, az);
  return {
    servers: servers.map(({ name }) => name),
    nodes: nodes.map(({ name }) => name),
    writers: nodes.filter(({ role }) => role === "writer").map(({ name }) => name),
    guests: GUESTS,
    zones,
    damaged: servers[damaged % servers.length]!.name,
  };
}

export async function simulate(plan: Plan, watch: Watch = {}): Promise<RunResult> {
  const run = new Run(plan, watch);
  await run.play();
  return run.result();
}

class Run {
  private readonly plan: Plan;
  private readonly watch: Watch;
  private readonly cluster: SimulatedCluster;
  private readonly field: Field;
  private readonly load: Load;
  private readonly monitor = new Monitor();
  private readonly violations: Violation[] = [];
  private readonly histories: HistoryCount[] = [];
  private auditing = true;

  constructor(plan: Plan, watch: Watch) {
    this.plan = plan;
    this.watch = watch;
    this.cluster = new SimulatedCluster(plan, {
      trace: (traced: Traced) => this.monitor.observe(traced),
      log: ({ process, level, event, fields }) =>
        this.line(`${process} ${level} ${event} ${JSON.stringify(fields)}`),
      event: watch.event,
      refused: (name, reason) => this.refused(name, reason),
    });
    this.field = new Field(this.cluster);
    this.load = new Load(this.cluster, plan);
  }

  async play(): Promise<void> {
    try {
      await this.cluster.settled(this.load.start(), SETUP_LIMIT_MS);
      await this.safety();
      await this.liveness();
      await this.judge();
      await this.checkDisks();
    } catch (error) {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.violate(/the condition does not hold/.test(text) ? "liveness" : "failure", text);
    }
    for (const violation of this.monitor.finish()) this.violate("monitor", showViolation(violation));
  }

  result(): RunResult {
    const { world } = this.cluster;
    return {
      seed: this.plan.seed,
      hash: world.traceHash,
      violations: this.violations,
      virtualMs: world.nowMs,
      events: world.events,
      counts: this.load.counts,
      histories: this.histories,
    };
  }

  private async safety(): Promise<void> {
    const { world } = this.cluster;
    const beganMs = world.nowMs;
    let endMs = beganMs + this.plan.safetyMs;
    for (const fault of this.plan.faults) {
      const kind = faultKind(fault.kind);
      const atMs = beganMs + fault.atMs;
      world.at(atMs, () => {
        this.say(`begins: ${kind.describe(fault)}`);
        kind.begin(this.field, fault);
      });
      world.at(atMs + fault.forMs, () => {
        this.say(`ends: ${kind.describe(fault)}`);
        kind.end(this.field, fault);
      });
      endMs = Math.max(endMs, atMs + fault.forMs);
    }
    this.audits();
    await world.run(endMs);
  }

  /** Looks at snapshots of the rows again and again; what cannot be read just then is read later. */
  private audits(): void {
    const { world } = this.cluster;
    const next = (): void => {
      if (!this.auditing) return;
      const again = (): void => world.at(world.nowMs + AUDIT_EVERY_MS, next);
      this.load.audit().then(
        (verdict) => {
          if (verdict !== "ok") this.violate("workload", verdict);
          again();
        },
        (error: unknown) => {
          if (error instanceof SixfoldError) again();
          else world.fail(error);
        },
      );
    };
    world.at(world.nowMs + AUDIT_EVERY_MS, next);
  }

  private async liveness(): Promise<void> {
    const { core } = this.plan;
    const { world, topology } = this.cluster;
    // Where a server of the core has been replaced, its spare stands for it.
    const servers = topology.servers.slice(0, REPLICAS);
    const names = [...servers, ...topology.nodes].map(({ name }): string => name);
    const rest = names.filter((name) => !core.servers.includes(name) && !core.nodes.includes(name));
    this.say(`alone: ${[...core.servers, ...core.nodes].join(", ")}`);
    this.putAway(core, rest);
    // A node that was started again while its strike-off was under way has ended for that. Somebody would start it once more.
    for (const name of core.nodes)
      if (this.cluster.statusOf(name)["state"] === "stopped") this.field.bounce(name);
    const goal = this.load.counts.committed + CORE_COMMITS;
    await world.run(() => this.load.counts.committed >= goal, LIVENESS_LIMIT_MS);
    this.say("all back");
    this.bringBack(core, rest);
  }

  private putAway(core: CorePlan, rest: readonly string[]): void {
    if (core.rest === "isolate") return this.field.part(rest);
    for (const name of rest)
      if (core.rest === "crash") this.field.stop(name, "crash");
      else this.field.pause(name);
  }

  private bringBack(core: CorePlan, rest: readonly string[]): void {
    if (core.rest === "isolate") return this.field.join(rest);
    for (const name of rest)
      if (core.rest === "crash") this.field.start(name);
      else this.field.resume(name);
  }

  private async judge(): Promise<void> {
    this.auditing = false;
    await this.cluster.settled(this.load.stop(), STOP_LIMIT_MS);
    const verdict = await this.cluster.settled(this.load.check(), CHECK_LIMIT_MS);
    if (verdict !== "ok") this.violate("workload", verdict);
    for (const workload of this.load.workloads) {
      const history = workload.history?.();
      if (history === undefined) continue;
      const report = check(history);
      this.histories.push(...countAnomalies(history, report));
      // A search that was cut short has shown nothing.
      if (report.violations.length > 0 || !report.complete) this.violate("history", formatReport(report));
    }
  }

  /**
   * What a start would make of the disks as they are now, but of one that has lied: copies agree, chains are whole, and every page of every tree
   * is accounted for. Clients have stopped; upkeep goes on, and what is under way is on its way.
   */
  private async checkDisks(): Promise<void> {
    const { world, topology } = this.cluster;
    const lied = this.plan.faults.filter((fault) => LIES.has(fault.kind)).flatMap(({ targets }) => targets);
    const trusted = topology.servers.filter(({ name }) => !lied.includes(name) && !this.field.lost.has(name));
    const data = new Map(trusted.map(({ name }) => [name, storedImages(world.find(name))]));
    const { findings } = await checkStored({ data });
    for (const { severity, kind, text } of findings)
      // Damaged pages are being mended, and a lost server's log was refused at its start.
      if (severity === "error" || kind === "too-few-copies") this.violate("storage", `${kind}: ${text}`);
  }

  /** A process ended itself at its start. A supervisor tries again; a log that says it is corrupt stays so. */
  private refused(name: string, reason: Error): void {
    this.say(`${name} does not start: ${reason.message}`);
    const { world } = this.cluster;
    if (/is corrupt/.test(reason.message)) {
      const lied = this.plan.faults.some((fault) => LIES.has(fault.kind) && fault.targets.includes(name));
      if (!lied) this.violate("failure", `${name}: ${reason.message}`);
      this.field.lose(name);
      return;
    }
    this.field.stop(name, "kill");
    world.at(world.nowMs + RESTART_AFTER_MS, () => this.field.start(name));
  }

  private violate(kind: ViolationKind, text: string): void {
    this.say(`${kind}: ${text}`);
    if (this.violations.filter((v) => v.kind === kind).length < VIOLATIONS_KEPT)
      this.violations.push({ kind, text });
  }

  private say(text: string): void {
    this.line(`- ${text}`);
  }

  private line(text: string): void {
    this.watch.line?.(`${this.cluster.world.nowMs.toFixed(1)} ${text}`);
  }
}

/** Faults that destroy what was synced. */
const LIES: ReadonlySet<string> = new Set(["disk-corrupt", "disk-misdirect"]);

function countAnomalies(history: History, report: Report): HistoryCount[] {
  const optionsOf = new Map<number, string>();
  const counts = new Map<string, { transactions: number; anomalies: Record<string, number> }>();
  const count = (options: string): { transactions: number; anomalies: Record<string, number> } => {
    const found = counts.get(options) ?? { transactions: 0, anomalies: {} };
    counts.set(options, found);
    return found;
  };
  for (const { id, outcome, isolation, consistency } of history) {
    optionsOf.set(id, `${isolation}+${consistency}`);
    if (outcome === "committed") count(`${isolation}+${consistency}`).transactions++;
  }
  for (const { name, transactions } of [...report.violations, ...report.allowed]) {
    const options = [...new Set(transactions.map((id) => optionsOf.get(id)!))].sort().join(" and ");
    const { anomalies } = count(options);
    anomalies[name] = (anomalies[name] ?? 0) + 1;
  }
  return [...counts].map(([options, found]) => ({ options, ...found }));
}
