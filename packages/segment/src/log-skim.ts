/**
 * What a log still says, so that a start need not build what has been merged long since.
 *
 *     ... slices votes decisions slices ... | last whole checkpoint | records ...
 *         only slices beyond what it says      all of them
 *         is merged of their stream
 *
 * The log is read twice. First every block is looked at, in order (`see`): that the chain of blocks is whole is the reader's affair,
 * here only the last checkpoint is found. Then the blocks come once more (`records`): a checkpoint states every fact but the
 * slices, so of what stands before it only those count. The second reading is of what the system has in its cache.
 */
import { decodeRecords, skimCheckpoint, skimRecords, skimSlices, type LogRecord } from "@sixfold/wire";
import { CheckpointParts, mergedAt, type MergedAt } from "./checkpoint.ts";

interface Founded {
  /** The block in which its first part stands. */
  readonly block: number;
  readonly merged: MergedAt;
}

export class LogSkim {
  private readonly parts = new CheckpointParts();
  private blocks = 0;
  private partsFrom = 0;
  private last: { readonly block: number; readonly state: Uint8Array } | undefined;
  private founded: Founded | undefined;

  /** The next block, whole. */
  see(block: Uint8Array): void {
    for (const { kind, bytes } of skimRecords(block)) {
      if (kind !== "checkpoint") {
        this.parts.drop();
        continue;
      }
      // A copy: the block is a view on its whole file.
      const state = skimCheckpoint(bytes).slice();
      if (this.parts.isFirst(state)) this.partsFrom = this.blocks;
      const whole = this.parts.take(state);
      if (whole !== undefined) this.last = { block: this.partsFrom, state: whole };
    }
    this.blocks += 1;
  }

  /** What still counts of block number `n` (from 0) of those seen. The records share no bytes with it. */
  records(block: Uint8Array, n: number): LogRecord[] {
    if (this.last === undefined) return decodeRecords(block.slice());
    this.founded ??= { block: this.last.block, merged: mergedAt(this.last.state) };
    const { merged, block: from } = this.founded;
    if (n >= from) return decodeRecords(block.slice());
    const records: LogRecord[] = [];
    for (const { kind, bytes } of skimRecords(block)) {
      const held = kind === "slices" ? skimSlices(bytes) : undefined;
      if (held === undefined || held.last <= merged(held.pg, held.stream)) continue;
      records.push(...decodeRecords(bytes.slice()));
    }
    return records;
  }
}
