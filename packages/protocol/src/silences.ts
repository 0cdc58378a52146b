/**
 * Processes whose last words may be missing: each died, and what was durable there had perhaps not all been told. Rough order only.
 *
 *     died ──> silent ──> the next life's first words: what it has, once more ──> graceMs ──> it is judged by its words again
 *
 * A segment that comes back says all that it has but for one thing: its votes on what it knows to be decided. So of entries sent before it
 * came back it may have accepted any.
 */
import type { NodeName } from "@sixfold/model";

interface Silence {
  /** When it came back; undefined until then. */
  backAt: number | undefined;
  /** How many entries had been sent when it came back. */
  sentBefore: number;
}

export class Silences {
  /** One a process that ever died. */
  private readonly ever = new Map<NodeName, Silence>();
  private readonly present = new Set<NodeName>();

  died(process: NodeName): void {
    this.ever.set(process, { backAt: undefined, sentBefore: Number.POSITIVE_INFINITY });
    this.present.add(process);
  }

  /** It says something; `sent` entries have been sent by now. */
  heard(process: NodeName, now: number, sent: number): void {
    if (!this.present.has(process)) return;
    const silence = this.ever.get(process)!;
    if (silence.backAt !== undefined) return;
    silence.backAt = now;
    silence.sentBefore = sent;
  }

  /** All that was said up to `through` has been judged: who was back by then has no more to be forgiven. */
  judged(through: number): void {
    for (const process of this.present)
      if ((this.ever.get(process)!.backAt ?? Number.POSITIVE_INFINITY) <= through)
        this.present.delete(process);
  }

  /** What it has may not all have been told. */
  has(process: NodeName): boolean {
    return this.present.has(process);
  }

  /** It may have accepted the entry that was the `n`th to be sent. */
  mayHaveAccepted(process: NodeName, n: number): boolean {
    return this.has(process) || n <= (this.ever.get(process)?.sentBefore ?? 0);
  }
}
