/**
 * Where the own stream stood when its writer learned of the present epoch: entries sent until then stand in slices of earlier
 * epochs, and recoveries judge them by the sets of those.
 */
import { epoch, lsn, OWNED_QUORUM, type Epoch, type Lsn, type PgId, type PlantedBugs } from "@sixfold/model";
import type { PgProgress } from "./pg-progress.ts";

export class EpochMark {
  private readonly pgs: ReadonlyMap<PgId, PgProgress>;
  private readonly saysEarly: boolean;
  private epoch: Epoch = epoch(0);
  private at = lsn(0);
  /** Per PG its last slice of then. */
  private lasts: ReadonlyMap<PgId, Lsn> = new Map();

  constructor(pgs: ReadonlyMap<PgId, PgProgress>, planted: PlantedBugs) {
    this.pgs = pgs;
    this.saysEarly = planted.has("epoch-said-early");
  }

  /** Everything up to `at` has been sent. */
  began(present: Epoch, at: Lsn): void {
    this.epoch = present;
    this.at = at;
    this.lasts = new Map([...this.pgs].map(([id, pg]) => [id, pg.lastSlice]));
  }

  /** All of it is decided, and its decisions and slices are on four of each set of their PGs. */
  isPast(asked: Epoch, durable: Lsn): boolean {
    if (this.saysEarly) return true;
    if (this.epoch !== asked || durable < this.at) return false;
    for (const [id, last] of this.lasts) if (this.pgs.get(id)!.holdersOf(last) < OWNED_QUORUM) return false;
    return true;
  }
}
