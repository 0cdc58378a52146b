/** How the processes of a local cluster run: each one of its own, or all in this one. */
import type { Mode, NodeInfo, SegmentServerInfo } from "@sixfold/model";
import type { Topology } from "./topology.ts";

export type NodeStatus = Readonly<Record<string, unknown>>;

export interface Backend {
  pid(name: string): number;
  /** `topology`: whom it may meet, itself included, whenever it is started. */
  launchServer(server: SegmentServerInfo, topology: () => Topology): Promise<void>;
  launchNode(node: NodeInfo, topology: () => Topology): Promise<void>;
  /** Resolves when it serves; refuses if that takes too long. */
  ready(process: NodeInfo | SegmentServerInfo): Promise<void>;
  /** What a database node says of itself; undefined if it does not answer. */
  status(node: NodeInfo): Promise<NodeStatus | undefined>;
  /**
   * Ends a process for good. A database node closes its stream and leaves the cluster's list first. Resolves when it has ended, by itself
   * or not, or if it was never started.
   */
  end(process: NodeInfo | SegmentServerInfo): Promise<void>;
  /** Has `through` strike off a node that is not there any more. False if it does not answer. */
  strikeOff(name: string, through: NodeInfo): Promise<boolean>;
  /** Has `through` make a new segment server known to the volume. False if it does not answer. */
  introduce(server: SegmentServerInfo, through: NodeInfo): Promise<boolean>;
  /** Has `through` move the volume to this mode. False if it does not answer. */
  switchMode(mode: Mode, through: NodeInfo): Promise<boolean>;
  kill(name: string, signal: NodeJS.Signals): void;
  /** Starts a process again that died. */
  restart(name: string): Promise<void>;
  /** Ends these, for now. */
  stop(names: readonly string[]): Promise<void>;
}
