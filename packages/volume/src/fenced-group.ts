/**
 * What the fenced segments of one PG have answered, and whose answer is whole.
 *
 *     answer: slices undecided here ──> pages ──> what is committed on them, at every segment that is to count (I3)
 *
 * A segment tells what is committed on the pages of its own undecided slices, and on those that it was asked for. An answer is whole if
 * that covers the pages of all undecided slices that anybody of the PG has told of. Fences hold, so there are no more of
 * them after a while.
 */
import type { NodeName, PageId, PgId } from "@sixfold/model";
import type { Fenced } from "@sixfold/wire";

export class FencedGroup {
  readonly pg: PgId;
  /** Sets of six, each of which is to be fenced by itself. */
  private readonly sets: readonly (readonly NodeName[])[];
  private readonly members: readonly NodeName[];
  private readonly asksForRivals: boolean;
  private readonly answers = new Map<NodeName, Fenced>();
  /** Of all undecided slices told of, ascending. */
  pages: readonly PageId[] = [];
  /** What each request asked for. */
  private readonly pagesAsked = new Map<number, ReadonlySet<PageId>>();
  /** How many of `pages` each member was last asked for: they only grow. */
  private readonly askedFor = new Map<NodeName, number>();

  constructor(pg: PgId, sets: readonly (readonly NodeName[])[], asksForRivals: boolean) {
    this.pg = pg;
    this.sets = sets;
    this.members = [...new Set(sets.flat())];
    this.asksForRivals = asksForRivals;
  }

  asked(member: NodeName, request: number): void {
    this.pagesAsked.set(request, new Set(this.pages));
    this.askedFor.set(member, this.pages.length);
  }

  heard(from: NodeName, answer: Fenced): void {
    this.answers.set(from, answer);
    if (!this.asksForRivals) return;
    const pages = new Set([...this.pages, ...pagesOf(answer)]);
    if (pages.size > this.pages.length) this.pages = [...pages].sort((a, b) => a - b);
  }

  isMember(server: NodeName): boolean {
    return this.members.includes(server);
  }

  /** Have so many of each set answered at all? */
  isHeard(enough: number): boolean {
    return this.sets.every((set) => set.filter((name) => this.answers.has(name)).length >= enough);
  }

  /** Do so many answers of each set count? */
  isFenced(enough: number): boolean {
    const { whole } = this;
    return this.sets.every((set) => set.filter((name) => whole.has(name)).length >= enough);
  }

  /** The answers that count. */
  get whole(): ReadonlyMap<NodeName, Fenced> {
    return new Map([...this.answers].filter(([, answer]) => this.isWhole(answer)));
  }

  missing(): NodeName[] {
    return this.members.filter((member) => {
      const answer = this.answers.get(member);
      return answer === undefined || !this.isWhole(answer);
    });
  }

  /** Of those, who was last asked for less than is to be known by now. */
  outdated(): NodeName[] {
    return this.missing().filter((member) => (this.askedFor.get(member) ?? 0) < this.pages.length);
  }

  private isWhole(answer: Fenced): boolean {
    if (this.pages.length === 0) return true;
    const asked = this.pagesAsked.get(answer.request);
    const own = pagesOf(answer);
    return this.pages.every((page) => asked?.has(page) === true || own.has(page));
  }
}

function pagesOf({ slices }: Fenced): Set<PageId> {
  const pages = new Set<PageId>();
  for (const { slice } of slices) for (const { page } of [...slice.deltas, ...slice.checks]) pages.add(page);
  return pages;
}
