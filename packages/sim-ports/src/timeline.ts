/** What the world's parts know of one another: events, whose they are, and the time they happen in. */
import type { Random } from "@sixfold/model";
import type { AgendaItem } from "@sixfold/ports";

/**
 * Where a process can be made to end between two effects. Persist: a write to a disk or page store is handed to it, or
 * has become durable and is about to be told. Send: a frame is handed to a link, or has been.
 */
export type Boundary = "before-persist" | "after-persist" | "before-send" | "after-send";

/** A machine, as the fabric and the ports see it. */
export interface Machine {
  readonly name: string;
  /** Of the name, for the trace. */
  readonly nameHash: number;
  readonly az: string;
  /** Without power, not only without process: its peers hear nothing from it. */
  readonly isDark: boolean;
  /** An event of one of its incarnations is due. */
  deliver(event: WorldEvent): void;
  /** Its process is at a boundary; true if it was to end there, and now has. */
  endsAt(boundary: Boundary): boolean;
}

/** One life of a machine's process. */
export interface Incarnation {
  readonly node: Machine;
  alive: boolean;
}

/** What happens, and to whom. `owner` undefined: to the world itself (a packet on its way, a fault). */
export interface WorldEvent {
  readonly owner: Incarnation | undefined;
  readonly kind: string;
  /** Tells apart in the trace what kind and time do not: a link, a byte count, a content hash. */
  readonly detail: number;
  run(): void;
}

export interface Timeline {
  /** Virtual milliseconds since the beginning. */
  readonly nowMs: number;
  /** Unix time in milliseconds of a clock that is right. */
  readonly wallMs: number;
  readonly random: Random;
  /** All machines, in the order of their making. */
  readonly nodes: readonly Machine[];
  /** `event` happens at `dueMs`, or now if that is over. */
  schedule(dueMs: number, event: WorldEvent): AgendaItem<WorldEvent>;
  /** Idempotent. */
  cancel(item: AgendaItem<WorldEvent>): void;
  /** For machines: the event's turn has come. */
  happen(event: WorldEvent): void;
  /** Enters a line into the trace. */
  note(text: string): void;
  /** What a node's own code failed with, outside of any event. The world's run throws it. */
  fail(error: unknown): void;
  /**
   * A process has ended within a call of its own: takes its code off the stack, if it is the code of the event that is
   * happening. Otherwise (a promise's continuation) returns; the ports of the dead do nothing then.
   */
  unwind(dead: Incarnation): void;
}
