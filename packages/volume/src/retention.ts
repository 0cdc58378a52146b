/**
 * How much of the own stream is kept for segments that may need it again, over all protection groups.
 *
 *     decided, and all six have it          -> goes
 *     decided, and too much is kept         -> the oldest goes, of the PG that keeps most
 *     undecided                             -> stays: only its writer has it to send (bounded by in-flight bytes)
 *
 * What went is left to gossip. A PG with a segment that is away keeps what it can, and not at the cost of others.
 */
import { minLsn, type Lsn, type PgId } from "@sixfold/model";
import type { PgProgress } from "./pg-progress.ts";

export class Retention {
  bytes = 0;
  private readonly bytesMax: number;
  private readonly pgs: ReadonlyMap<PgId, PgProgress>;

  constructor(bytesMax: number, pgs: ReadonlyMap<PgId, PgProgress>) {
    this.bytesMax = bytesMax;
    this.pgs = pgs;
  }

  /** An ack has come for this PG; entries up to `through` are decided. */
  drop(pg: PgProgress, through: Lsn): void {
    const first = pg.kept.oldest();
    if (first === undefined) return;
    const everywhere = minLsn(pg.slowest(), through);
    if (first.lsn <= everywhere) this.dropTo(pg, everywhere, 0);
    if (this.bytes > this.bytesMax) this.dropMost(through);
  }

  /** An eighth at once, so that it is not looked for at each ack. */
  private dropMost(through: Lsn): void {
    const goal = this.bytesMax - this.bytesMax / 8;
    const full = [...this.pgs.values()].filter((pg) => (pg.kept.oldest()?.lsn ?? Infinity) <= through);
    full.sort((a, b) => b.kept.bytes - a.kept.bytes || a.pg - b.pg);
    for (let i = 0; i < full.length && this.bytes > goal; i++) {
      // Down to where the next one stands, or to the goal.
      const least = full[i + 1]?.kept.bytes ?? 0;
      const share = Math.max(least, full[i]!.kept.bytes - (this.bytes - goal));
      this.dropTo(full[i]!, through, share);
    }
  }

  /** The oldest up to this LSN, until no more than `least` bytes are kept. */
  private dropTo(pg: PgProgress, through: Lsn, least: number): void {
    const { kept } = pg;
    for (let sent = kept.oldest(); sent !== undefined && sent.lsn <= through; sent = kept.oldest()) {
      if (kept.bytes <= least) return;
      this.bytes -= sent.bytes;
      kept.dropOldest();
    }
  }
}
