/**
 * What the fenced segments of one PG have answered, and whose answer is whole.
 *
 *     answer: slices undecided here ──> their bases ──> what is committed on them, at every segment that is to count (I3)
 *
 * A segment tells what is committed on the bases of its own undecided slices, and on those that it was asked for. An answer is whole if
 * that covers all undecided slices that anybody of the PG has told of. Fences hold, so there are no more of
 * them after a while.
 */
import type { NodeName, PageUse, PgId } from "@sixfold/model";
import type { Fenced } from "@sixfold/wire";

interface Heard {
  readonly answer: Fenced;
  /** Bases of its undecided slices, by their keys: it tells unasked what is committed on them. Empty where nobody asks for rivals. */
  readonly uses: ReadonlyMap<string, PageUse>;
}

export class FencedGroup {
  readonly pg: PgId;
  /** Sets of six, each of which is to be fenced by itself. */
  private readonly sets: readonly (readonly NodeName[])[];
  private readonly members: readonly NodeName[];
  private readonly asksForRivals: boolean;
  private readonly answers = new Map<NodeName, Heard>();
  /** Of all undecided slices told of, by their keys. */
  private readonly usesTold = new Map<string, PageUse>();
  /** What each request asked for. */
  private readonly keysAsked = new Map<number, ReadonlySet<string>>();
  /** How many of them each member was last asked for: they only grow. */
  private readonly askedFor = new Map<NodeName, number>();

  constructor(pg: PgId, sets: readonly (readonly NodeName[])[], asksForRivals: boolean) {
    this.pg = pg;
    this.sets = sets;
    this.members = [...new Set(sets.flat())];
    this.asksForRivals = asksForRivals;
  }

  /** What to ask for. */
  get uses(): readonly PageUse[] {
    return [...this.usesTold.values()];
  }

  asked(member: NodeName, request: number): void {
    this.keysAsked.set(request, new Set(this.usesTold.keys()));
    this.askedFor.set(member, this.usesTold.size);
  }

  heard(from: NodeName, answer: Fenced): void {
    const uses = this.asksForRivals ? usesOf(answer) : new Map<string, PageUse>();
    this.answers.set(from, { answer, uses });
    for (const [key, use] of uses) this.usesTold.set(key, use);
  }

  /** Are these the sets that are fenced? */
  isOf(sets: readonly (readonly NodeName[])[]): boolean {
    const same = (set: readonly NodeName[], other: readonly NodeName[] = []): boolean =>
      set.length === other.length && set.every((name) => other.includes(name));
    return sets.length === this.sets.length && sets.every((set, i) => same(set, this.sets[i]));
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
    const whole = new Map<NodeName, Fenced>();
    for (const [name, heard] of this.answers) if (this.isWhole(heard)) whole.set(name, heard.answer);
    return whole;
  }

  missing(): NodeName[] {
    return this.members.filter((member) => {
      const heard = this.answers.get(member);
      return heard === undefined || !this.isWhole(heard);
    });
  }

  /** Of those, who was last asked for less than is to be known by now. */
  outdated(): NodeName[] {
    return this.missing().filter((member) => (this.askedFor.get(member) ?? 0) < this.usesTold.size);
  }

  private isWhole({ answer, uses }: Heard): boolean {
    if (this.usesTold.size === 0) return true;
    const asked = this.keysAsked.get(answer.request);
    for (const key of this.usesTold.keys()) if (asked?.has(key) !== true && !uses.has(key)) return false;
    return true;
  }
}

/** By keys that are equal for equal uses. */
function usesOf({ slices }: Fenced): Map<string, PageUse> {
  const uses = new Map<string, PageUse>();
  for (const { slice } of slices)
    for (const { page, base } of [...slice.deltas, ...slice.checks])
      uses.set(`${page}/${base.stream}/${base.lsn}`, { page, base });
  return uses;
}
