/** What the parts of one client share. */
import { makeTransactionId, type TransactionId } from "@sixfold/model";
import type { Clock } from "@sixfold/ports";
import type { CallbackScope } from "./client-ports.ts";
import type { Guards } from "./guards.ts";
import type { NodeConnection } from "./node-connection.ts";
import type { NodePool } from "./node-pool.ts";
import type { Affinity } from "./options.ts";
import type { Need, ReadFrom } from "./serving.ts";

export interface ClientCore {
  readonly clock: Clock;
  readonly pool: NodePool;
  readonly affinity: Affinity | undefined;
  /** Where reads go that need no writer; undefined: to any node, or to the writer that their rows' affinity names. */
  readonly readFrom: ReadFrom | undefined;
  /** The random part of a transaction id. */
  readonly newId: () => string;
  /** A number from 0 to 1 for pauses. */
  readonly jitter: () => number;
  /** The transaction whose callback is running here. */
  readonly running: CallbackScope;
  readonly guards: Guards;
  /** Planted: what became of a commit is guessed, not asked. */
  readonly runsUnknownAgain: boolean;
  /** Planted: what a session has only read is not part of its token. */
  readonly forgetsReads: boolean;
  isClosed: boolean;
}

/** The need of a read, and the hint that goes with it. An explicit wish goes before the affinity of the row. */
export function readNeed(
  core: ClientCore,
  readFrom: ReadFrom | undefined,
  hint: string | number | undefined,
): { readonly need: Need; readonly hint: string | number | undefined } {
  const wish = readFrom ?? core.readFrom;
  if (wish !== undefined) return { need: wish, hint: wish === "writer" ? hint : undefined };
  return hint === undefined ? { need: "any", hint } : { need: "writer", hint };
}

/** A fresh id: whoever asks for its outcome can tell from it whose it was, and from where on to look. */
export function freshId(core: ClientCore, node: NodeConnection): TransactionId {
  return makeTransactionId(node.welcome.stream, node.reached, core.newId());
}

/** Resolves after `ms`. */
export function pause(core: ClientCore, ms: number): Promise<void> {
  return new Promise((resolve) => core.clock.after(ms, resolve));
}
