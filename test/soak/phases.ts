/** What a soak measures: commits a second in each phase, and how phases compare. */

export interface Phase {
  readonly name: string;
  readonly seconds: number;
  readonly committed: number;
  /** Longest time without any commit. */
  readonly longestPauseMs: number;
}

export interface Judgement {
  readonly during: number;
  readonly after: number;
  /** What is not as it must be; empty if all is. */
  readonly faults: readonly string[];
}

/** A whole zone lost leaves at least so much of the throughput, and all but a twentieth comes back with it. */
export const DURING_LEAST = 0.7;
export const AFTER_LEAST = 0.95;

export const rateOf = ({ committed, seconds }: Phase): number => committed / seconds;

/**
 * Compares windows in which a zone was lost with those before and after, in turns so that what else goes on at the machine meets all of them:
 *
 *     whole ── lost ── whole ── lost ── whole      during: lost to the mean of its neighbours; after: whole to the whole before; medians
 */
export function judge(phases: readonly Phase[], verdict: string, violations: readonly string[]): Judgement {
  const rates = (name: string): number[] => phases.filter((phase) => phase.name === name).map(rateOf);
  const [whole, lost] = [rates("whole"), rates("zone lost")];
  const during = median(lost.map((rate, i) => (2 * rate) / (whole[i]! + whole[i + 1]!)));
  const after = median(lost.map((_, i) => whole[i + 1]! / whole[i]!));
  const faults: string[] = [];
  if (verdict !== "ok") faults.push(verdict);
  faults.push(...violations);
  if (!(during >= DURING_LEAST))
    faults.push(`${percent(during)} of the throughput while a zone was lost, not ${percent(DURING_LEAST)}`);
  if (!(after >= AFTER_LEAST))
    faults.push(`${percent(after)} of the throughput after it returned, not ${percent(AFTER_LEAST)}`);
  return { during, after, faults };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle)]!) / 2;
}

export const percent = (ratio: number): string => `${Math.round(ratio * 100)} %`;

/** Counts commits of a load phase by phase, in real time. */
export class PhaseClock {
  readonly phases: Phase[] = [];
  private readonly committed: () => number;
  private readonly checkHealth: () => void;

  constructor(load: { readonly committed: number; checkHealth(): void }) {
    this.committed = () => load.committed;
    this.checkHealth = () => load.checkHealth();
  }

  /** Lets `seconds` pass, more if `meanwhile` takes longer. */
  async run(name: string, seconds: number, meanwhile: () => Promise<void> = async () => {}): Promise<Phase> {
    const begun = performance.now();
    const before = this.committed();
    let isOver = false;
    let lastCount = before;
    let lastMoved = begun;
    let longestPauseMs = 0;
    const watch = async (): Promise<void> => {
      while (!isOver || performance.now() - begun < seconds * 1000) {
        await new Promise((resolve) => setTimeout(resolve, 10));
        this.checkHealth();
        const now = performance.now();
        longestPauseMs = Math.max(longestPauseMs, now - lastMoved);
        if (this.committed() === lastCount) continue;
        lastCount = this.committed();
        lastMoved = now;
      }
    };
    const done = meanwhile().finally(() => (isOver = true));
    await Promise.all([done, watch()]);
    const phase: Phase = {
      name,
      seconds: (performance.now() - begun) / 1000,
      committed: this.committed() - before,
      longestPauseMs: Math.round(longestPauseMs),
    };
    this.phases.push(phase);
    return phase;
  }
}
