/**
 * Steps of many processes, in the order in which they were said.
 *
 *     segment-a1   . .. ......|through          One clock for all processes of a machine; each sends its steps in order, and how far
 *     writer-1     ... . . ......|through       it has told everything. What lies before the least `through` of those that live is
 *     writer-2     .. |through                  complete: it is handed on, merged by time.
 *     handed on    ---|
 *
 * So a process that hangs (SIGSTOP, a swamped machine) holds back the others' steps rather than making them look unfounded. It cannot
 * for ever (I10): when too much waits, the most silent one is given up, as if it had died, and is not heard again before it is restarted.
 */
import type { NodeName, Traced } from "@sixfold/model";
import type { StepBatch } from "./step-reporter.ts";
import { revived } from "./traced-codec.ts";

export type HandOn = (traced: Traced, at: number) => void;

/** Steps that wait, at most. */
const WAITING_MAX = 200_000;

/** One process, from its start to its end. A restarted one is another. */
export interface StepSource {
  /** Steps that came from the process. */
  take(batch: StepBatch): void;
  /** The process has ended, at this time. `died`: not of itself, so that it may not have told everything. */
  end(at: number, died: boolean): void;
}

export class StepMerger {
  private readonly handOn: HandOn;
  private readonly onGivenUp: (process: NodeName) => void;
  private readonly waitingMax: number;
  private sources: Source[] = [];
  private waiting = 0;

  constructor(handOn: HandOn, onGivenUp: (process: NodeName) => void, waitingMax = WAITING_MAX) {
    this.handOn = handOn;
    this.onGivenUp = onGivenUp;
    this.waitingMax = waitingMax;
  }

  /** A process is started at this time: from now on nothing later is handed on without it. */
  add(process: NodeName, at: number): StepSource {
    const source = new Source(process, at);
    this.sources.push(source);
    return {
      take: (batch) => {
        if (source.isEnded) return;
        this.waiting += source.take(batch);
        if (batch.isCutShort) this.giveUp(source);
        while (this.waiting > this.waitingMax && this.drain() === 0)
          this.giveUp(this.sources.reduce((a, b) => (b.through < a.through ? b : a)));
      },
      end: (endedAt, died) => {
        if (!source.isEnded) this.waiting += source.end(endedAt, died);
      },
    };
  }

  /** Everything up to here is complete; infinite if nobody lives. */
  get through(): number {
    return this.sources.reduce((least, s) => Math.min(least, s.through), Number.POSITIVE_INFINITY);
  }

  /** Steps in memory, for tests: not many more than those that wait. */
  get held(): number {
    return this.sources.reduce((sum, source) => sum + source.held, 0);
  }

  /** Hands on everything that is complete; returns how many steps that were. */
  drain(): number {
    const { through } = this;
    let handed = 0;
    for (;;) {
      // The earliest goes on until another is earlier: steps come in runs, one turn of a process each.
      let first: Source | undefined;
      let second = through;
      for (const s of this.sources) {
        if (s.next > through || s.next === Number.POSITIVE_INFINITY) continue;
        if (first === undefined || s.next < first.next) {
          if (first !== undefined) second = first.next;
          first = s;
        } else if (s.next < second) second = s.next;
      }
      if (first === undefined) break;
      do {
        first.handOn(this.handOn);
        handed += 1;
      } while (first.next <= second && first.next !== Number.POSITIVE_INFINITY);
    }
    this.waiting -= handed;
    this.sources = this.sources.filter((s) => !s.isEnded || s.next !== Number.POSITIVE_INFINITY);
    return handed;
  }

  private giveUp(source: Source): void {
    if (source.isEnded) return;
    this.waiting += source.end(source.through, true);
    this.onGivenUp(source.process);
  }
}

class Source {
  readonly process: NodeName;
  /** Infinite once it has ended: nothing more will come. */
  through: number;
  /** When the first step that waits was said; infinite if none does. */
  next = Number.POSITIVE_INFINITY;
  /** Those of which something is still to be handed on. */
  private readonly batches: StepBatch[] = [];
  /** The first step of the first batch that waits. */
  private head = 0;

  constructor(process: NodeName, at: number) {
    this.process = process;
    this.through = at;
  }

  get isEnded(): boolean {
    return this.through === Number.POSITIVE_INFINITY;
  }

  get held(): number {
    return this.batches.reduce((sum, { steps }) => sum + steps.length, 0);
  }

  take(batch: StepBatch): number {
    this.through = batch.through;
    if (batch.steps.length === 0) return 0;
    this.batches.push(batch);
    if (this.batches.length === 1) this.next = batch.at[0]!;
    return batch.steps.length;
  }

  end(at: number, died: boolean): number {
    const through = Number.POSITIVE_INFINITY;
    const last: StepBatch = died
      ? { steps: [{ kind: "died" }], at: [at], through, isCutShort: false }
      : { steps: [], at: [], through, isCutShort: false };
    return this.take(last);
  }

  handOn(to: HandOn): void {
    const { steps, at } = this.batches[0]!;
    const i = this.head++;
    if (this.head === steps.length) {
      this.batches.shift();
      this.head = 0;
    }
    this.next = this.batches[0]?.at[this.head] ?? Number.POSITIVE_INFINITY;
    to({ process: this.process, event: revived(steps[i]!) }, at[i]!);
  }
}
