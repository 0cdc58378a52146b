/**
 * `churn`: rows inserted and deleted in bursts, so that pages split, empty and are freed while others scan them.
 *
 * A burst runs upwards or downwards from one place, and places are shared: rows of several clients, and of several writers in the
 * common part, lie between one another. Scans go forward and backward, with and without a limit, before or after the transaction's
 * own writes.
 *
 * Invariants: a client's scans show exactly its own rows and versions (I1 to I4); others' rows are whole and never those of
 * an aborted transaction; order, bounds and limit are kept. At the end all rows are there, and none that was deleted.
 */
import type { Random } from "@sixfold/model";
import type { RowKey, ScanRange } from "./database-face.ts";
import { compareKeys } from "./row-keys.ts";
import { KeyParts } from "./key-parts.ts";
import type { OwnedPlan } from "./owned-transaction.ts";
import { OwnedWorkload } from "./owned-workload.ts";
import type { OwnClass } from "./owned-rows.ts";
import type { WorkloadOptions } from "./workload.ts";

const DEFAULT_RECORDS = 640;
/** A client keeps about this share of `records`. */
const CLIENT_SHARE = 1 / 8;
const LARGEST_BYTES = 1_000;
const POSITIONS = 5_000;
/** Where half of the bursts begin. */
const PLACES = 6;
const BURST_MAX = 12;
const LIMIT_MAX = 20;

type Rest = Pick<OwnedPlan, "gets" | "range" | "readsFirst">;

export class Churn extends OwnedWorkload {
  readonly name = "churn";
  private readonly parts: KeyParts;
  private readonly rowsWanted: number;
  private readonly largest: number;

  constructor(options: WorkloadOptions) {
    super(options);
    const records = options.records ?? DEFAULT_RECORDS;
    this.parts = new KeyParts({ ...options, records });
    this.rowsWanted = Math.max(4, Math.ceil(records * CLIENT_SHARE));
    this.largest = options.valueBytes ?? LARGEST_BYTES;
  }

  protected draw(client: number, own: OwnClass, random: Random): OwnedPlan {
    const part = this.parts.choosePart(this.writerOf(client), random);
    const isScanned = random.chance(0.4);
    const rest: Rest = {
      gets: random.chance(0.2) ? own.live.slice(0, 3) : [],
      range: isScanned ? this.drawRange(part, client, random) : undefined,
      readsFirst: random.chance(0.3),
    };
    const grow = own.size < this.rowsWanted * (0.5 + random.next());
    const kind = random.next();
    if (kind < 0.15) return { puts: [], deletes: [], ...rest, range: this.drawRange(part, client, random) };
    if (kind < 0.35) return this.replace(own, random, rest);
    return grow ? this.burst(part, client, own, random, rest) : this.purge(part, own, random, rest);
  }

  /** Rows one after the other, from one place. */
  private burst(part: string, client: number, own: OwnClass, random: Random, rest: Rest): OwnedPlan {
    const puts: OwnedPlan["puts"][number][] = [];
    const rows = 1 + random.int(BURST_MAX);
    const step = (1 + random.int(3)) * (random.chance(0.5) ? 1 : -1);
    let position = random.chance(0.5)
      ? Math.floor((random.int(PLACES) * POSITIONS) / PLACES) + random.int(40)
      : random.int(POSITIONS);
    for (let i = 0; i < rows; i++, position += step) {
      const key: RowKey = [part, Math.abs(position), client];
      if (!own.isTainted(key) && !puts.some((put) => put.key[1] === key[1]))
        puts.push({ key, size: this.drawSize(random) });
    }
    return { puts, deletes: [], ...rest };
  }

  /** Own neighbours deleted, so that pages empty. */
  private purge(part: string, own: OwnClass, random: Random, rest: Rest): OwnedPlan {
    const keys = own.live.filter((key) => key[0] === part).toSorted(compareKeys);
    if (keys.length === 0) return this.replace(own, random, rest);
    const from = random.int(keys.length);
    return { puts: [], deletes: keys.slice(from, from + 1 + random.int(BURST_MAX)), ...rest };
  }

  private replace(own: OwnClass, random: Random, rest: Rest): OwnedPlan {
    const keys = own.live;
    const chosen = new Set<RowKey>();
    for (let i = 0; i < 4 && keys.length > 0; i++) chosen.add(random.pick(keys));
    return { puts: [...chosen].map((key) => ({ key, size: this.drawSize(random) })), deletes: [], ...rest };
  }

  private drawRange(part: string, client: number, random: Random): ScanRange {
    const from = random.int(POSITIONS);
    const to = from + 1 + random.int(random.chance(0.5) ? 60 : POSITIONS);
    const low: RowKey = random.chance(0.5) ? [part, from] : [part, from, client];
    const high: RowKey = random.chance(0.5) ? [part, to] : [part, to, client];
    return {
      ...(random.chance(0.5) ? { gte: low } : { gt: low }),
      ...(random.chance(0.5) ? { lt: high } : { lte: high }),
      ...(random.chance(0.5) ? { limit: 1 + random.int(LIMIT_MAX) } : {}),
      reverse: random.chance(0.5),
    };
  }

  /** Mostly short, sometimes a good part of a page. */
  private drawSize(random: Random): number {
    return 1 + random.int(random.chance(0.7) ? Math.min(80, this.largest) : this.largest);
  }
}
