/**
 * `long-values`: values from a few bytes to many pages, replaced by longer and shorter ones and deleted.
 *
 * Sizes are drawn so that each doubling is as likely as the next: values in the page and values on overflow pages, just below
 * and above where one becomes the other.
 *
 * Invariants: what is read has every byte of one version (I3, I4), the client's own values are those that it wrote last (I1, I2),
 * and nothing deleted comes back.
 */
import { LIMITS, type Random } from "@sixfold/model";
import type { RowKey } from "./database-face.ts";
import type { OwnClass } from "./owned-rows.ts";
import type { OwnedPlan } from "./owned-transaction.ts";
import { OwnedWorkload } from "./owned-workload.ts";
import type { WorkloadOptions } from "./workload.ts";

/** Of each client. */
const DEFAULT_SLOTS = 5;
const LARGEST_BYTES = 64 * 1024;
const SMALLEST_BYTES = 4;
/** Key, serial and size in the same value. */
const ROW_OVERHEAD_BYTES = 256;

export class LongValues extends OwnedWorkload {
  readonly name = "long-values";
  private readonly slots: number;
  private readonly largest: number;

  constructor(options: WorkloadOptions) {
    super(options);
    this.slots = options.records === undefined ? DEFAULT_SLOTS : Math.max(1, Math.ceil(options.records / 8));
    this.largest = Math.min(options.valueBytes ?? LARGEST_BYTES, LIMITS.valueBytes - ROW_OVERHEAD_BYTES);
  }

  protected draw(client: number, own: OwnClass, random: Random): OwnedPlan {
    const puts: OwnedPlan["puts"][number][] = [];
    const deletes: RowKey[] = [];
    const slots = random.shuffle(Array.from({ length: this.slots }, (_, slot) => slot));
    for (const slot of slots.slice(0, random.int(3))) {
      const key = this.keyOf(slot, client);
      if (own.isTainted(key)) continue;
      const row = own.row(key);
      if (row !== undefined && random.chance(0.15)) deletes.push(key);
      else if (row !== undefined && random.chance(0.25)) puts.push({ key, size: random.int(row.size + 1) });
      else puts.push({ key, size: this.drawSize(random) });
    }
    const slot = random.int(this.slots);
    const isScanned = random.chance(0.25);
    return {
      puts,
      deletes,
      gets: slots.slice(-1 - random.int(2)).map((s) => this.keyOf(s, client)),
      range: isScanned
        ? { gte: [slot], lt: [slot + 1], limit: 1 + random.int(4), reverse: random.chance(0.5) }
        : undefined,
      readsFirst: random.chance(0.5),
    };
  }

  private keyOf(slot: number, client: number): RowKey {
    return [slot, client];
  }

  private drawSize(random: Random): number {
    const smallest = Math.min(SMALLEST_BYTES, this.largest);
    return Math.round(smallest * (this.largest / smallest) ** random.next());
  }
}
