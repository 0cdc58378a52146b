/**
 * Mischief: what no TCP connection does. Single frames of a link vanish, come twice, or come late and out of order, while
 * the link lives on. Harsher than the `Link` contract, on purpose: a protocol whose safety rests on back-links, votes
 * and durable facts must survive it; only its liveness may suffer. Ending the links concerned afterwards
 * (`fabric.breakLinks`) gives them back what TCP would never have lost.
 *
 * It meets links between processes of the cluster (connected as `trusted`); the first frame of each direction, the
 * handshake's, is exempt.
 */
import type { Random } from "@sixfold/model";

export interface Mischief {
  /** Names of senders and of receivers it concerns. Default: all. */
  readonly from?: readonly string[] | undefined;
  readonly to?: readonly string[] | undefined;
  /** Chances for each frame; the first that comes true is what happens to it. */
  readonly loseChance: number;
  readonly duplicateChance: number;
  readonly reorderChance: number;
  /** Stragglers, and second copies, come up to this much after their turn. */
  readonly reorderMs: number;
}

/** A copy that does not stray. */
export const inOrder = -1;

/** For each copy of a frame how late it comes. */
export type Fate = readonly number[];

export const ordinary: Fate = [inOrder];
const lost: Fate = [];

export class MischiefMaker {
  /** Frames it has met. */
  readonly done = { lost: 0, duplicated: 0, reordered: 0 };
  readonly #random: Random;
  #mischief: Mischief | undefined;
  #from: ReadonlySet<string> | undefined;
  #to: ReadonlySet<string> | undefined;

  constructor(random: Random) {
    this.#random = random;
  }

  set(mischief: Mischief | undefined): void {
    this.#mischief = mischief;
    this.#from = mischief?.from === undefined ? undefined : new Set(mischief.from);
    this.#to = mischief?.to === undefined ? undefined : new Set(mischief.to);
  }

  fateOf(from: string, to: string): Fate {
    const mischief = this.#mischief;
    if (mischief === undefined) return ordinary;
    if (this.#from?.has(from) === false || this.#to?.has(to) === false) return ordinary;
    const { loseChance, duplicateChance, reorderChance, reorderMs } = mischief;
    const draw = this.#random.next();
    if (draw < loseChance) {
      this.done.lost += 1;
      return lost;
    }
    if (draw < loseChance + duplicateChance) {
      this.done.duplicated += 1;
      return [inOrder, this.#random.next() * reorderMs];
    }
    if (draw < loseChance + duplicateChance + reorderChance) {
      this.done.reordered += 1;
      return [this.#random.next() * reorderMs];
    }
    return ordinary;
  }
}
