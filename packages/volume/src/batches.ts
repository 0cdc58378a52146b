/**
 * The batches on their way, and when the next one goes (DESIGN section 5, "Sending").
 *
 * In a shared volume the fourth ack commits some entries of a batch and the fifth the others, so that clients who were answered together are
 * answered in two lots, and come back in two lots. Were the first of them sent at once, half batches would take turns from then on, each with a frame,
 * a block to sync and an ack at six segments. So what is queued waits for more, for `gatherMs` at most, until it is most of what was lately
 * on its way at once. Few are never waited for, and in an exclusive volume nobody is: one ack commits a batch and makes room for the next.
 */
import type { Lsn } from "@sixfold/model";
import type { PgProgress } from "./pg-progress.ts";
import type { VolumeSettings } from "./settings.ts";

/** Of what was on its way at once, this part is worth a batch. */
const ENOUGH = 0.75;
/** What is expected falls so with each batch, should fewer come. */
const FADES = 0.9;

interface Batch {
  readonly pgs: readonly PgProgress[];
  /** Per PG the last slice of the batch. */
  readonly lasts: readonly Lsn[];
}

export class Batches {
  private readonly settings: VolumeSettings;
  private readonly exclusive: boolean;
  private readonly underWay: Batch[] = [];
  /** Entries that are likely to be on their way at once. */
  private expected = 0;
  private gathersSince: number | undefined;

  constructor(settings: VolumeSettings, exclusive: boolean) {
    this.settings = settings;
    this.exclusive = exclusive;
  }

  /** Not yet with a write quorum of each of their PGs. */
  get count(): number {
    return this.underWay.length;
  }

  /** When so many entries, of so many bytes, may leave, should no more come; undefined: when a batch that is on its way is done with. */
  leavesAt(entries: number, bytes: number, now: number): number | undefined {
    const { batchesInFlightMax, batchBytes, gatherMs, gatherAbove } = this.settings;
    if (bytes >= batchBytes) return now;
    if (this.underWay.length >= batchesInFlightMax) return undefined;
    const enough = this.expected * ENOUGH;
    if (this.exclusive || enough <= gatherAbove || entries >= enough) return now;
    this.gathersSince ??= now;
    return this.gathersSince + gatherMs;
  }

  /** A batch has left; `entries` are on their way now, those of earlier batches included. */
  sent(pgs: readonly PgProgress[], entries: number): void {
    this.underWay.push({ pgs, lasts: pgs.map((pg) => pg.lastSlice) });
    this.expected = Math.max(this.expected * FADES, entries);
    this.gathersSince = undefined;
  }

  /** Segments have taken more: forgets the batches that need no more, in order. */
  complete(): void {
    for (let batch = this.underWay[0]; batch !== undefined; batch = this.underWay[0]) {
      for (let i = 0; i < batch.pgs.length; i++) if (batch.pgs[i]!.pgcl < batch.lasts[i]!) return;
      this.underWay.shift();
    }
  }
}
