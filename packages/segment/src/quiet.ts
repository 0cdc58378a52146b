/**
 * Which PGs gossip has to look at: those where something happens. The rest of a server's hundreds of segments cost nothing.
 *
 *     touched ──> awake: each round its positions are told, if they are others than told last, and what lags is pulled
 *                   │
 *                   └── two rounds without news, and nothing lags ──> asleep, but for one look in a while
 *
 * Links lose nothing while they live, and a new one is told everything: a position told once need not be told again. The look in a
 * while is for what nobody thought of.
 */
import type { PgId } from "@sixfold/model";
import type { Positions } from "@sixfold/wire";
import type { PgState } from "./pg-state.ts";

/** Rounds without news before a PG falls asleep: a lag is seen by comparing two. */
const ROUNDS_AWAKE = 3;
/** A PG that sleeps is told of and looked at once in so many rounds: 30 s of five a second. */
const ROUNDS_ASLEEP = 150;

interface Told {
  readonly message: Positions;
  /** Rounds since something was new. */
  quiet: number;
}

export class Quiet {
  private readonly awake = new Map<PgId, PgState>();
  private readonly told = new WeakMap<PgState, Told>();
  /** Looks at PGs asleep that are due, and a part of the next. */
  private due = 0;
  private asleep: Iterator<PgState> | undefined;

  get size(): number {
    return this.awake.size;
  }

  /** Something happens there. */
  wake(state: PgState): void {
    this.awake.set(state.pg, state);
  }

  /** A peer is new: everybody is told everything once more. */
  wakeAll(states: Iterable<PgState>): void {
    for (const state of states) {
      this.told.delete(state);
      this.wake(state);
    }
  }

  forget(state: PgState): void {
    this.awake.delete(state.pg);
  }

  /** The PGs to look at in this round. */
  *round(pgs: ReadonlyMap<PgId, PgState>): Iterable<PgState> {
    this.disturb(pgs);
    yield* [...this.awake.values()];
  }

  /** Whether this is to be told; `lags`: the PG stays awake. */
  isNews(state: PgState, message: Positions, lags: boolean): boolean {
    const before = this.told.get(state);
    if (before === undefined || !isSame(before.message, message)) {
      this.told.set(state, { message, quiet: 0 });
      return true;
    }
    before.quiet = lags ? 0 : before.quiet + 1;
    if (before.quiet >= ROUNDS_AWAKE) this.awake.delete(state.pg);
    return false;
  }

  private disturb(pgs: ReadonlyMap<PgId, PgState>): void {
    for (this.due += pgs.size / ROUNDS_ASLEEP; this.due >= 1; this.due--) {
      this.asleep ??= pgs.values();
      const next = this.asleep.next();
      if (next.done === true) {
        this.asleep = undefined;
        return;
      }
      if (this.awake.has(next.value.pg)) continue;
      this.told.delete(next.value);
      this.wake(next.value);
    }
  }
}

function isSame(a: Positions, b: Positions): boolean {
  return (
    a.streams.length === b.streams.length &&
    a.streams.every((s, i) => {
      const t = b.streams[i]!;
      return (
        s.stream === t.stream &&
        s.scl === t.scl &&
        s.decidedThrough === t.decidedThrough &&
        s.closed === t.closed
      );
    })
  );
}
