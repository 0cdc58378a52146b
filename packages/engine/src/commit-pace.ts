/**
 * How fast a writer commits, over about the last second. Time comes with each question, so whoever asks rarely hears of a longer time,
 * and so of a slower pace at worst.
 */

/** The pace is looked at this often, over so many looks. */
const LOOK_MS = 100;
const LOOKS = 10;

/** How many commits were made lately. */
export class CommitPace {
  /** Oldest first. */
  private readonly looks: { readonly at: number; readonly commits: number }[] = [];

  /** Commits within `spanMs` at the pace of the last second. */
  within(spanMs: number, commits: number, now: number): number {
    const { looks } = this;
    const last = looks[looks.length - 1];
    if (last === undefined || now - last.at >= LOOK_MS) {
      looks.push({ at: now, commits });
      if (looks.length > LOOKS) looks.shift();
    }
    const [first] = looks;
    const elapsedMs = Math.max(LOOK_MS, now - first!.at);
    return ((commits - first!.commits) * spanMs) / elapsedMs;
  }
}
