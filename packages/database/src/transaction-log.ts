/**
 * What this node remembers of transactions by itself: the quick half of `outcome(id)`.
 *
 * Two generations of bounded maps: when the younger is full it becomes the older, and what was
 * older is forgotten. Storage answers for the forgotten ones (DESIGN section 8).
 *
 * An id that was asked about and had never been heard of here is barred: should its commit still
 * arrive, it is refused. So "aborted" is true for ever once it was said.
 */
import { NO_BUGS, type PlantedBugs, type TransactionId, type TransactionOutcome } from "@sixfold/model";
import type { FoundOutcome } from "@sixfold/volume";

type Known = TransactionOutcome | "barred";

export class TransactionLog {
  private readonly capacity: number;
  private younger = new Map<TransactionId, Known>();
  private older = new Map<TransactionId, Known>();
  private forgot = false;
  private readonly bars: boolean;

  constructor(capacity: number, planted: PlantedBugs = NO_BUGS) {
    this.bars = !planted.has("aborted-not-barred");
    this.capacity = capacity;
  }

  /** Nothing was ever forgotten: what is not known here was never here. */
  get isWhole(): boolean {
    return !this.forgot;
  }

  /** A commit of it is under way here. */
  started(id: TransactionId): void {
    this.put(id, "unknown");
  }

  /** It ended; undefined: this node cannot tell how, storage can. */
  ended(id: TransactionId, outcome: "committed" | "aborted" | undefined): void {
    if (outcome !== undefined) this.put(id, outcome);
    else {
      this.younger.delete(id);
      this.older.delete(id);
      this.forgot = true;
    }
  }

  bar(id: TransactionId): void {
    this.put(id, "barred");
  }

  isBarred(id: TransactionId): boolean {
    return this.get(id) === "barred";
  }

  outcome(id: TransactionId): TransactionOutcome | undefined {
    const known = this.get(id);
    return known === "barred" ? "aborted" : known;
  }

  /**
   * What to say of a transaction of which storage has `found` so much. If it never got there and would have come through here
   * (`ours`: its stream is this node's), it never will.
   */
  judge(id: TransactionId, found: FoundOutcome, ours: boolean): TransactionOutcome {
    const known = this.outcome(id);
    // Storage may have merged its trace away, but a memory that never forgot anything would know.
    const never =
      known === undefined && ours && (found === "absent" || (found === "unknown" && this.isWhole));
    if (never && this.bars) this.bar(id);
    const outcome = known ?? (never ? "aborted" : found);
    return outcome === "absent" ? "unknown" : outcome;
  }

  private get(id: TransactionId): Known | undefined {
    return this.younger.get(id) ?? this.older.get(id);
  }

  private put(id: TransactionId, known: Known): void {
    this.younger.set(id, known);
    if (this.younger.size < this.capacity) return;
    this.forgot ||= this.older.size > 0;
    this.older = this.younger;
    this.younger = new Map();
  }
}
