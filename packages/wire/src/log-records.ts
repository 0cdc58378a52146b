/**
 * What a segment server writes to its log. One block holds the records of one group commit
 * (`log-block`); each record is `kind u8 | length u32 | body`. Types only; `log-record-codec`
 * gives each its bytes. Kinds are never renumbered.
 */
import type {
  Decision,
  Decisions,
  EntryId,
  Epoch,
  Lsn,
  Manifest,
  PgId,
  Slice,
  StreamId,
  Vote,
} from "@sixfold/model";
import type { Ballot } from "./storage-messages.ts";

export type LogRecord =
  /** Slices taken, each with the vote it got; `votes` lists those that are not `accept`. */
  | {
      readonly kind: "slices";
      readonly pg: PgId;
      readonly stream: StreamId;
      readonly exclusive: boolean;
      readonly slices: readonly Slice[];
      readonly votes: readonly { readonly lsn: Lsn; readonly vote: Vote }[];
    }
  /** Later votes on slices of earlier records. */
  | {
      readonly kind: "votes";
      readonly pg: PgId;
      readonly stream: StreamId;
      readonly votes: readonly { readonly lsn: Lsn; readonly vote: Vote }[];
    }
  | {
      readonly kind: "decisions";
      readonly pg: PgId;
      readonly stream: StreamId;
      readonly decisions: Decisions;
    }
  /** Single facts: from the manifest, from gossip, or learned from a base. */
  | {
      readonly kind: "outcomes";
      readonly pg: PgId;
      readonly outcomes: readonly (EntryId & { readonly decision: Decision })[];
    }
  | { readonly kind: "fence"; readonly pg: PgId; readonly stream: StreamId }
  | {
      readonly kind: "close";
      readonly pg: PgId;
      readonly stream: StreamId;
      readonly final: Lsn;
      readonly tail: Lsn;
      readonly decisions: Decisions;
    }
  | {
      readonly kind: "seat";
      readonly promised: Ballot;
      readonly accepted: { readonly ballot: Ballot; readonly value: Manifest } | undefined;
    }
  /** This segment came to its PG when that had entries already, and has copied them all (`isWhole`) or not yet. */
  | { readonly kind: "newcomer"; readonly pg: PgId; readonly since: Epoch; readonly isWhole: boolean }
  /** The PG is kept by others now. */
  | { readonly kind: "left"; readonly pg: PgId }
  /** Everything but slices, whole or one part of it: among the first records of a log file, so that older files matter only for slices not yet merged. */
  | { readonly kind: "checkpoint"; readonly state: Uint8Array };
