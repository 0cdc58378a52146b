/**
 * What a server keeps of its log in memory: what it costs, and which log files it stands in.
 *
 *     files    1      2      3      4
 *     slices   -      12     -      4031      nothing before file 2 is needed any more
 *
 * The memory of a segment server is bounded by this account, so it counts what a slice takes in memory and not what it
 * takes on the wire: a small slice is mostly objects.
 */
import type { Slice } from "@sixfold/model";
import { EndedTransactions } from "./ended.ts";

/**
 * Objects of a slice, of each delta with its place on a chain, of each check. Measured on Node 20 by
 * `bench/slice-cost.ts`, and rounded up.
 */
const SLICE_COST = 350;
const DELTA_COST = 130;
const CHECK_COST = 150;

export const costOf = (slice: Slice): number =>
  SLICE_COST + DELTA_COST * slice.deltas.length + CHECK_COST * slice.checks.length + slice.byteLength;

export class Kept<Log = unknown> {
  /** Bytes of memory, about. */
  cost = 0;
  /** Of these, what has not been merged and is not on its way to the page store. */
  toMerge = 0;
  /**
   * Of these, what is decided: merging makes room for it sooner or later. What is not is the affair of its writer, whose entries in
   * flight are bounded; to refuse it the earlier slices that it waits for would help nobody.
   */
  decided = 0;
  /** Logs that hold slices. The rest of a server's logs cost nothing but their place. */
  readonly logs = new Set<Log>();
  /** What has left. */
  readonly ended: EndedTransactions;
  /** Slices, by the log file that holds them. */
  private readonly byFile = new Map<number, number>();

  constructor(ended = new EndedTransactions()) {
    this.ended = ended;
  }

  add(log: Log, cost: number, file: number): void {
    this.logs.add(log);
    this.cost += cost;
    this.toMerge += cost;
    this.byFile.set(file, (this.byFile.get(file) ?? 0) + 1);
  }

  remove(cost: number, file: number): void {
    this.cost -= cost;
    this.less(file);
  }

  move(from: number, to: number): void {
    this.less(from);
    this.byFile.set(to, (this.byFile.get(to) ?? 0) + 1);
  }

  /** The oldest file that something stands in; `otherwise` if there is none. O(files). */
  firstFile(otherwise: number): number {
    let first = otherwise;
    for (const file of this.byFile.keys()) if (file < first) first = file;
    return first;
  }

  private less(file: number): void {
    const left = this.byFile.get(file)! - 1;
    if (left > 0) this.byFile.set(file, left);
    else this.byFile.delete(file);
  }
}
