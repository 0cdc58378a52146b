/**
 * Copied pages on their way to the store: what comes while a batch is synced makes up the next, so that the faster pages come
 * the fewer syncs they cost.
 */
import type { CopyAnswer } from "./segment-copy.ts";
import type { Merger } from "./merge.ts";
import type { SegmentEffect } from "./segment-api.ts";

/** Batches under way: while one is synced the next is written. */
const BATCHES = 2;
/** A second batch is worth its sync from so many bytes on. */
const SECOND_FROM_BYTES = 4 << 20;

export class CopiedPages {
  private readonly merger: Merger;
  private readonly effects: SegmentEffect[];
  private collected: CopyAnswer[] = [];
  private collectedBytes = 0;
  /** By the token of their batch. */
  private readonly underWay = new Map<number, readonly CopyAnswer[]>();

  constructor(merger: Merger, effects: SegmentEffect[]) {
    this.merger = merger;
    this.effects = effects;
  }

  add(answer: CopyAnswer): void {
    this.collected.push(answer);
    this.collectedBytes += answer.bytes;
  }

  /** Begins a batch, if it is time for one. */
  flush(): void {
    const { size } = this.underWay;
    if (this.collected.length === 0 || size >= BATCHES) return;
    if (size > 0 && this.collectedBytes < SECOND_FROM_BYTES) return;
    const answers = this.collected;
    this.collected = [];
    this.collectedBytes = 0;
    const token = this.merger.copy(
      answers.flatMap((answer) => answer.pages),
      this.effects,
    );
    this.underWay.set(token, answers);
  }

  /** What a batch has brought; nothing if it is not one of copies. */
  stored(token: number): readonly CopyAnswer[] {
    const answers = this.underWay.get(token) ?? [];
    this.underWay.delete(token);
    return answers;
  }
}
