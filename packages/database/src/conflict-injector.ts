import type { Entry, Random } from "@sixfold/model";

/** For comparisons: an entry's first attempt loses to a rival that is not there. */
export class ConflictInjector {
  private readonly probability: number;
  private readonly random: Random;

  constructor(probability: number, random: Random) {
    this.probability = probability;
    this.random = random;
  }

  /** Exclusive streams have no rivals. */
  injects(entry: Entry, exclusive: boolean): boolean {
    if (this.probability === 0 || exclusive || entry.supersedes !== 0) return false;
    return this.random.chance(this.probability);
  }
}
