/**
 * The side of a process that is monitored: its protocol steps, one batch a turn of the event loop, to its supervisor.
 *
 *     step, step, step ──(setImmediate)──> { steps, at, through } ──IPC──> StepMerger
 *
 * Each step carries the time at which it was said, on the clock that all processes of a machine share (monotonic, never set). `through`
 * promises that nothing earlier is still to come; a process with nothing to say says at least that, several times a second.
 *
 * Bounded (I10): a supervisor that does not keep up must not fill this process's memory. From then on it says nothing of itself.
 */
import type { Trace } from "@sixfold/model";
import { plain, type PlainEvent } from "./traced-codec.ts";

export interface StepBatch {
  readonly steps: readonly PlainEvent[];
  /** When each step was said, ms. Ascending. */
  readonly at: readonly number[];
  /** Nothing earlier follows. */
  readonly through: number;
  /** Steps were dropped: of this process nothing more is to be believed. */
  readonly isCutShort: boolean;
}

/** Hands a batch to the channel; `sent` once it has left, or cannot. */
export type SendBatch = (batch: StepBatch, sent: () => void) => void;

/** Steps that the channel has not taken yet, at most. */
export const UNSENT_STEPS_MAX = 200_000;
const BEAT_MS = 50;

/** Milliseconds on the clock that the processes of this machine share. */
export function sharedClock(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}

export class StepReporter {
  private readonly send: SendBatch;
  private readonly now: () => number;
  private readonly beat: NodeJS.Timeout;
  private steps: PlainEvent[] = [];
  private at: number[] = [];
  private isDue = false;
  private unsent = 0;
  private isCutShort = false;
  private isClosed = false;

  constructor(send: SendBatch, now: () => number = sharedClock) {
    this.send = send;
    this.now = now;
    this.beat = setInterval(() => this.flush(), BEAT_MS).unref();
    this.flush();
  }

  /** For the host of this process. */
  readonly trace: Trace = (event) => {
    if (this.isCutShort || this.isClosed) return;
    this.steps.push(plain(event));
    this.at.push(this.now());
    if (this.isDue) return;
    this.isDue = true;
    setImmediate(() => this.flush());
  };

  /** Sends what there is, and be it only that there is nothing. */
  flush(): void {
    this.isDue = false;
    if (this.isClosed) return;
    const { steps, at } = this;
    this.steps = [];
    this.at = [];
    if (!this.isCutShort && this.unsent + steps.length > UNSENT_STEPS_MAX) {
      this.isCutShort = true;
      this.send({ steps: [], at: [], through: this.now(), isCutShort: true }, () => undefined);
    }
    if (this.isCutShort) return;
    this.unsent += steps.length;
    this.send({ steps, at, through: this.now(), isCutShort: false }, () => {
      this.unsent -= steps.length;
    });
  }

  /** Resolves when everything said so far has left this process. */
  close(): Promise<void> {
    clearInterval(this.beat);
    return new Promise((resolve) => {
      this.flush();
      this.isClosed = true;
      this.send({ steps: [], at: [], through: this.now(), isCutShort: this.isCutShort }, resolve);
    });
  }
}

/** To the process that started this one, if it listens. */
export function reportToSupervisor(): StepReporter {
  if (process.send === undefined)
    throw new Error(
      "nobody listens: a process is monitored by the one that started it, over its IPC channel",
    );
  return new StepReporter((batch, sent) => {
    // A supervisor that is gone is no reason to fail: this process then ends anyhow.
    process.send?.(batch, undefined, {}, () => sent());
  });
}
