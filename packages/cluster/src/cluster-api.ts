/** A local cluster as its user sees it: options in, nodes and events out. */
import type { Conflicts, Mode, Role } from "@sixfold/model";
import type { LivenessSettings } from "./heartbeats.ts";
import type { Topology } from "./topology.ts";

export interface ClusterOptions {
  readonly mode: Mode;
  /** Undefined: as the data folder has them from the last run; of a new one two, with mode single one. */
  readonly writers?: number | undefined;
  /** Undefined: as the data folder has them; of a new one none. */
  readonly replicas?: number | undefined;
  /** Segment servers beyond the six, in zones a, b, c in turn: what a lost one is replaced by. Those of the last run stay. */
  readonly spares?: number | undefined;
  readonly dataDir: string;
  /** Database nodes listen at `port`, `port`+1 …, segment servers at `port`+20 …; 0 takes free ones. */
  readonly port: number;
  readonly conflicts: Conflicts;
  /** Probability that an entry's first attempt is treated as a lost page race. */
  readonly injectConflicts: number;
  readonly inProcess: boolean;
  /** One-way delay between processes of different availability zones. */
  readonly azLatencyMs: number;
  /** Start a process again that died. */
  readonly restart: boolean;
  /** A module whose exported functions are the nodes' procedures. */
  readonly procedures?: string | undefined;
  readonly pageBytes?: number | undefined;
  readonly segmentBytes?: number | undefined;
  /** Pages in each database node's buffer pool. */
  readonly poolPages?: number | undefined;
  /** How long until a writer that is silent, or whose links have ended, is recovered by another node. */
  readonly suspectAfterMs?: number | undefined;
  readonly endedAfterMs?: number | undefined;
  readonly liveness?: Partial<LivenessSettings> | undefined;
  /** Judge the protocol's steps while the cluster runs. Costs speed. */
  readonly monitor?: boolean | undefined;
  /**
   * How a process is to see the others: the topology with other addresses (not in-process). For tests that lead links through
   * something which delays or breaks them.
   */
  readonly view?: ((process: string, topology: Topology) => Promise<Topology>) | undefined;
}

export interface ClusterNode {
  readonly name: string;
  readonly role: Role | "segment";
  readonly az: string;
  readonly pid: number;
  readonly url: string;
}

export type ClusterEvent =
  | {
      readonly event: "ready";
      readonly mode: Mode;
      readonly endpoints: readonly string[];
      readonly nodes: readonly ClusterNode[];
    }
  | {
      readonly event: "exit";
      readonly name: string;
      readonly pid: number;
      readonly code: number | null;
      readonly signal: string | null;
    }
  | { readonly event: "restart"; readonly name: string; readonly pid: number }
  /** It was added while the cluster ran, and serves. */
  | ({ readonly event: "added" } & ClusterNode)
  /** It was stopped for good. */
  | { readonly event: "stopped"; readonly name: string; readonly pid: number }
  /** A step that the protocol rules out; only with `monitor`. */
  | {
      readonly event: "violation";
      /** The condition's name. */
      readonly condition: string;
      /** Where DESIGN has it. */
      readonly rule: string;
      readonly process: string;
      readonly text: string;
    }
  | {
      readonly event: "log";
      readonly level: string;
      readonly name: string;
      readonly message: string;
      readonly fields: Readonly<Record<string, unknown>>;
    };

export interface RunningCluster extends ProcessCluster {
  /** What the monitor has found so far, in words; complete after `stop`. Empty without `monitor`. */
  violations(): readonly string[];
  /** Steps that the monitor has judged. */
  readonly stepsJudged: number;
}

/** The processes of a cluster, whoever watches them. */
export interface ProcessCluster {
  readonly nodes: readonly ClusterNode[];
  /** Where clients connect: the database nodes. */
  readonly endpoints: readonly string[];
  /** Ends every process cleanly. */
  stop(): Promise<void>;
  /** Sends a signal to one process (not in-process). */
  kill(name: string, signal?: NodeJS.Signals): void;
  /** Starts a process again that died and was not restarted. */
  start(name: string): Promise<void>;
  /** Starts a further database node, in this zone or where there are fewest; resolves when it serves. */
  addNode(role: Role, az?: string): Promise<ClusterNode>;
  /** The same with a segment server, which keeps nothing yet. */
  addServer(az?: string): Promise<ClusterNode>;
  /**
   * Ends a database node for good, at the next start too; resolves when it is gone. `force`: though it is the only writer.
   */
  stopNode(name: string, force?: boolean): Promise<void>;
}
