/**
 * What the checker says of a history. Anomalies have Adya's names ("Weak Consistency", MIT 1999), and each the most
 * specific one that fits; the README shows a small example of each.
 */
import type { Consistency, HistoryTransaction, Isolation } from "./history.ts";

/** The options of a transaction, which decide what it was promised. */
export type PromiseName = `${Isolation}+${Consistency}`;

export function promiseOf({ isolation, consistency }: HistoryTransaction): PromiseName {
  return `${isolation}+${consistency}`;
}

/** From the strongest option to the weakest. */
export const PROMISES = [
  "serializable+cluster",
  "serializable+session",
  "snapshot+cluster",
  "snapshot+session",
] as const satisfies readonly PromiseName[];

/** Roughly from what no database may show to what many allow. */
export const ANOMALIES = [
  "garbage read",
  "duplicate",
  "incompatible order",
  "internal inconsistency",
  "G1a",
  "G1b",
  "G0",
  "G1c",
  "lost update",
  "read your writes",
  "monotonic reads",
  "monotonic writes",
  "writes follow reads",
  "G-single",
  "stale read",
  "long fork",
  "write skew",
  "G2-item",
] as const;

export type AnomalyName = (typeof ANOMALIES)[number];

export interface Anomaly {
  readonly name: AnomalyName;
  /** Ids of the transactions concerned; of a cycle in its order, each once. */
  readonly transactions: readonly number[];
  /** Whose promise it breaks: the options of those transactions that this should not have happened to. Empty if it is allowed. */
  readonly breaks: readonly PromiseName[];
  /** For people: one line an edge, with keys and values. */
  readonly explanation: readonly string[];
}

/** What became of one promise. */
export interface PromiseVerdict {
  readonly promise: PromiseName;
  /** Transactions with these options that counted. */
  readonly transactions: number;
  readonly kept: boolean;
  /** How many of `violations` break it. */
  readonly violations: number;
}

export interface Report {
  /** No promise was broken. */
  readonly valid: boolean;
  /** Anomalies that the options of the transactions involved forbid: examples of each, not all there are. */
  readonly violations: readonly Anomaly[];
  /** Anomalies that these options allow: examples. */
  readonly allowed: readonly Anomaly[];
  readonly promises: readonly PromiseVerdict[];
  /** How many of each name stand in `violations` and `allowed` together. */
  readonly counts: { readonly [name in AnomalyName]?: number };
  readonly transactions: {
    readonly committed: number;
    readonly aborted: number;
    /** Unknown, and one of its writes was read: counts as committed. */
    readonly unknownObserved: number;
    /** Unknown and never seen: left out. */
    readonly unknownUnseen: number;
  };
  readonly graph: {
    readonly transactions: number;
    readonly keys: number;
    readonly versions: number;
    /** Edges by kind. Session and real-time edges as they are kept: reduced, everything else follows. */
    readonly edges: { readonly [kind in EdgeName]: number };
  };
  /** False if a search was given up before it found anything: a violation might have been missed. Alarms are right all the same. */
  readonly complete: boolean;
}

export type EdgeName = "write-write" | "write-read" | "read-write" | "session" | "real-time";
