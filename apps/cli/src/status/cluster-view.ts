/**
 * The answers of all nodes put together: how far segments lag, and how the cluster is on the whole.
 *
 * Nodes are asked at about one moment, not at one: on a busy cluster a position is a little older or newer than the one it
 * is held against, and a lag of what arrives in some milliseconds is none.
 */
import { OWNED_QUORUM } from "@sixfold/model";
import { isObject, numberOf, type NodeStatus } from "./node-status.ts";

/** A replica that is further behind makes sessions wait, and the SDK asks others first. */
const LAG_MAX_MS = 1000;

/** What there is to ask: from `running.json`, or only addresses. */
export interface Asked {
  readonly name: string;
  readonly url: string;
  readonly role?: string;
  readonly az?: string;
}

export interface Answer extends Asked {
  readonly status: NodeStatus | undefined;
}

/** How a segment server keeps up with all writers together, as they see it. */
export interface Standing {
  /** Of its answers to the writer that waits longest for them. */
  readonly rttMs: number;
  /** Bytes that others have acknowledged and it has not. */
  readonly behindBytes: number;
  /** Its segments that writers send nothing to, for they were too slow: gossip brings them on. */
  readonly leftToGossip: number;
}

/** Of the stream where it is most, milliseconds; percentiles of the last minute. */
export interface LagMs {
  readonly now: number;
  readonly p50: number;
  readonly p99: number;
}

export interface Health {
  /** `degraded`: writing goes on with less to spare. `stalled`: in some protection group it does not. */
  readonly state: "healthy" | "degraded" | "stalled";
  readonly problems: readonly string[];
}

interface StreamPosition {
  readonly pg: number;
  readonly stream: number;
  readonly scl: number;
}

export const roleOf = (answer: Answer): string => {
  const role = answer.role ?? answer.status?.["role"];
  return typeof role === "string" ? role : "segment";
};

export class ClusterView {
  readonly databases: readonly Answer[];
  readonly segments: readonly Answer[];
  /** Of each open stream, how far its writer says it is durable. */
  private readonly durable = new Map<number, number>();
  /** Per PG and stream, the highest SCL of any segment. */
  private readonly reached = new Map<string, number>();
  private readonly standings = new Map<string, Standing>();

  constructor(answers: readonly Answer[]) {
    this.databases = answers.filter((answer) => roleOf(answer) !== "segment");
    this.segments = answers.filter((answer) => roleOf(answer) === "segment");
    for (const { status } of this.databases) {
      const stream = numberOf(status, "stream");
      const point = numberOf(status, "durable");
      if (stream !== undefined && stream > 0 && point !== undefined) this.durable.set(stream, point);
      for (const [server, standing] of standingsOf(status)) this.noteStanding(server, standing);
    }
    for (const { status } of this.segments)
      for (const { pg, stream, scl } of positionsOf(status)) {
        const key = `${pg} ${stream}`;
        this.reached.set(key, Math.max(scl, this.reached.get(key) ?? 0));
      }
  }

  /** How many durable entries this database node does not show yet, over all streams. */
  lagOf({ status }: Answer): number | undefined {
    const applied = status?.["applied"];
    if (!isObject(applied)) return undefined;
    let lag = 0;
    for (const [stream, point] of this.durable) {
      const shown = applied[String(stream)];
      // Asked one after the other, so a node may be ahead of what its writer said a moment ago.
      lag += Math.max(0, point - (typeof shown === "number" ? shown : 0));
    }
    return lag;
  }

  /** How old what a replica shows is, as it measures that itself; undefined for nodes that do not. */
  lagMsOf({ status }: Answer): LagMs | undefined {
    const lag = status?.["lag"];
    if (!isObject(lag)) return undefined;
    const streams = isObject(lag["streams"]) ? Object.values(lag["streams"]).filter(isObject) : [];
    const most = (name: string): number => Math.max(0, ...streams.map((one) => numberOf(one, name) ?? 0));
    return { now: numberOf(lag, "ms") ?? 0, p50: most("p50Ms"), p99: most("p99Ms") };
  }

  /** How many LSNs the server's furthest segment is behind another segment of its PG. */
  segmentLagOf({ status }: Answer): number | undefined {
    if (status === undefined) return undefined;
    let lag = 0;
    for (const { pg, stream, scl } of positionsOf(status))
      lag = Math.max(lag, (this.reached.get(`${pg} ${stream}`) ?? 0) - scl);
    return lag;
  }

  /** Undefined if no writer says anything of this server. */
  standingOf({ name }: Answer): Standing | undefined {
    return this.standings.get(name);
  }

  /** Only of a whole cluster: nodes that were not asked would count as gone. */
  health(): Health {
    const problems: string[] = [];
    const silent = [...this.databases, ...this.segments].filter((answer) => !isUsable(answer));
    for (const { name, status } of silent) {
      const failure = status?.["failure"];
      problems.push(`${name} ${typeof failure === "string" ? `has failed: ${failure}` : "does not answer"}`);
    }
    for (const answer of this.databases) {
      const { name, status } = answer;
      const pressure = pressureOf(status);
      const lagMs = this.lagMsOf(answer)?.now ?? 0;
      if (lagMs > LAG_MAX_MS) problems.push(`${name} is ${lagMs} ms behind the writers`);
      if (pressure === "refusing") problems.push(`${name} is overloaded: it refuses further writes`);
      if (pressure === "queueing")
        problems.push(`${name} is at its limit: writes wait for those before them`);
    }
    for (const answer of this.segments) {
      if (answer.status?.["isFull"] === true) problems.push(`${answer.name} is full: it takes nothing more`);
      const left = this.standingOf(answer)?.leftToGossip ?? 0;
      if (left > 0)
        problems.push(`${answer.name} does not keep up: ${left} of its segments are left to gossip`);
    }
    const short = this.shortGroups();
    problems.push(...short);
    const state = short.length > 0 ? "stalled" : problems.length > 0 ? "degraded" : "healthy";
    return { state, problems };
  }

  /** Protection groups without a write quorum, as far as those who answer know them. */
  private shortGroups(): string[] {
    const counts = new Map<number, number>();
    for (const answer of this.segments)
      if (isUsable(answer))
        for (const pg of groupsOf(answer.status)) counts.set(pg, (counts.get(pg) ?? 0) + 1);
    const short = [...counts].filter(([, count]) => count < OWNED_QUORUM).map(([pg]) => pg);
    if (short.length === 0) return [];
    const named = short
      .sort((a, b) => a - b)
      .slice(0, 5)
      .join(", ");
    const more = short.length > 5 ? ` and ${short.length - 5} more` : "";
    return [`fewer than ${OWNED_QUORUM} segments of PG ${named}${more} answer: writing waits for them`];
  }

  private noteStanding(server: string, more: Standing): void {
    const known = this.standings.get(server);
    const { rttMs, behindBytes, leftToGossip } = more;
    this.standings.set(server, {
      rttMs: Math.max(rttMs, known?.rttMs ?? 0),
      behindBytes: behindBytes + (known?.behindBytes ?? 0),
      leftToGossip: leftToGossip + (known?.leftToGossip ?? 0),
    });
  }
}

/** Answers, and has not stopped taking anything. */
function isUsable({ status }: Answer): boolean {
  return status !== undefined && typeof status["failure"] !== "string";
}

export function pressureOf(status: NodeStatus | undefined): string | undefined {
  const pressure = status?.["pressure"];
  const state = isObject(pressure) ? pressure["state"] : undefined;
  return typeof state === "string" ? state : undefined;
}

/** What a writer says of each segment server. */
function standingsOf(status: NodeStatus | undefined): [string, Standing][] {
  const volume = status?.["volume"];
  const own = isObject(volume) ? volume["own"] : undefined;
  const servers = isObject(own) ? own["segments"] : undefined;
  if (!isObject(servers)) return [];
  return Object.entries(servers).flatMap(([server, said]) => {
    if (!isObject(said)) return [];
    const number = (name: string): number => numberOf(said, name) ?? 0;
    const [rttMs, behindBytes, leftToGossip] = [
      number("rttMs"),
      number("behindBytes"),
      number("leftToGossip"),
    ];
    return [[server, { rttMs, behindBytes, leftToGossip }]];
  });
}

function listOf(value: unknown): NodeStatus[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

/** PGs that a segment server keeps a segment of. */
export function groupsOf(status: NodeStatus | undefined): number[] {
  return listOf(status?.["segments"]).flatMap(({ pg }) => (typeof pg === "number" ? [pg] : []));
}

function positionsOf(status: NodeStatus | undefined): StreamPosition[] {
  return listOf(status?.["segments"]).flatMap(({ pg, streams }) =>
    listOf(streams).flatMap(({ stream, scl }) =>
      typeof pg === "number" && typeof stream === "number" && typeof scl === "number"
        ? [{ pg, stream, scl }]
        : [],
    ),
  );
}

/** `pg0: s1@420 s2@17`, for what a segment server says of its segments; of very many only how many. */
export function positionsInWords(status: NodeStatus | undefined, groupsMax: number): string {
  if (!Array.isArray(status?.["segments"])) return "–";
  const groups = groupsOf(status);
  if (groups.length > groupsMax) return `${groups.length} PGs`;
  const positions = positionsOf(status);
  const parts = groups.map((pg) => {
    const said = positions.filter((p) => p.pg === pg).map(({ stream, scl }) => `s${stream}@${scl}`);
    return `pg${pg}: ${said.join(" ")}`;
  });
  return parts.join("; ") || "–";
}
