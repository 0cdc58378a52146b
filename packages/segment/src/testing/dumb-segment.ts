/**
 * DESIGN section 4's voting rules, written once more, short and slow, straight from the page: no index, no dirty pages, no
 * queues. After each event everything is looked at again. Shares no code with the machine.
 */
export interface DumbItem {
  readonly page: number;
  readonly base: string;
  readonly writes: boolean;
}

export interface DumbSlice {
  readonly stream: number;
  readonly lsn: number;
  readonly items: readonly DumbItem[];
  readonly ownBases: readonly number[];
  /** `accept`, `wait s:l`, `reject s:l`, `void l`, `hold`. */
  vote: string;
}

const idOf = (s: { stream: number; lsn: number }): string => `${s.stream}:${s.lsn}`;
const streamOf = (id: string): number => Number(id.split(":")[0]);

export class DumbSegment {
  /** In order of arrival. */
  readonly slices: DumbSlice[] = [];
  readonly facts = new Map<string, "commit" | "abort">();
  readonly fenced = new Set<number>();

  take(slice: Omit<DumbSlice, "vote">): void {
    const taken: DumbSlice = { ...slice, vote: "new" };
    this.slices.push(taken);
    for (const { base } of taken.items)
      if (base !== "none" && streamOf(base) !== taken.stream) this.learn(base);
    this.settle();
    if (!this.facts.has(idOf(taken))) taken.vote = this.evaluate(taken);
    this.settle();
  }

  /** In this order, the first mention of each counts; those that are not in it came before all others. */
  arrivedAs(ids: readonly string[]): void {
    const place = (s: DumbSlice): number => ids.indexOf(idOf(s));
    this.slices.sort((a, b) => place(a) - place(b));
  }

  decide(id: string, decision: "commit" | "abort"): void {
    if (!this.facts.has(id)) this.facts.set(id, decision);
  }

  settle(): void {
    for (let again = true; again;) {
      again = this.closeFacts() || this.rejectLosers();
    }
    for (let again = true; again;) again = this.revoteFirst();
  }

  votes(): Record<string, string> {
    return Object.fromEntries(this.pending().map((s) => [idOf(s), s.vote]));
  }

  chain(page: number): string[] {
    const chain: string[] = [];
    for (let head = "none"; ;) {
      const next = this.slices.find(
        (s) =>
          this.facts.get(idOf(s)) === "commit" &&
          s.items.some((i) => i.writes && i.page === page && i.base === head),
      );
      if (next === undefined) return chain;
      chain.push((head = idOf(next)));
    }
  }

  private pending(): DumbSlice[] {
    return this.slices.filter((s) => !this.facts.has(idOf(s)));
  }

  private learn(id: string): boolean {
    if (this.facts.has(id)) return false;
    this.facts.set(id, "commit");
    return true;
  }

  /** What a committed delta builds on is committed. */
  private closeFacts(): boolean {
    let isNew = false;
    for (const s of this.slices)
      if (this.facts.get(idOf(s)) === "commit")
        for (const { base, writes } of s.items)
          if (writes && base !== "none") isNew = this.learn(base) || isNew;
    return isNew;
  }

  private rejectLosers(): boolean {
    let changed = false;
    for (const s of this.pending().sort((a, b) => a.lsn - b.lsn)) {
      if (s.vote === "new" || s.vote.startsWith("reject") || s.vote.startsWith("void")) continue;
      const word = this.doomed(s) ?? this.loses(s);
      if (word === undefined) continue;
      s.vote = word;
      changed = true;
    }
    return changed;
  }

  private revoteFirst(): boolean {
    for (const s of this.pending()) {
      if (this.fenced.has(s.stream) || !(s.vote === "hold" || s.vote.startsWith("wait"))) continue;
      const vote = this.evaluate(s);
      if (vote === s.vote) continue;
      s.vote = vote;
      return true;
    }
    return false;
  }

  private own(s: DumbSlice, lsn: number): DumbSlice | undefined {
    return this.slices.find((x) => x.stream === s.stream && x.lsn === lsn);
  }

  private isOwn(s: DumbSlice, base: string): boolean {
    return base !== "none" && streamOf(base) === s.stream;
  }

  private ownBasesOf(s: DumbSlice): number[] {
    return [
      ...s.ownBases,
      ...s.items.filter((i) => this.isOwn(s, i.base)).map((i) => Number(i.base.split(":")[1])),
    ];
  }

  private doomed(s: DumbSlice): string | undefined {
    let word: string | undefined;
    for (const lsn of this.ownBasesOf(s)) {
      const fact = this.facts.get(`${s.stream}:${lsn}`);
      const under = this.own(s, lsn);
      const vote = fact === "abort" ? `void ${lsn}` : fact === "commit" ? undefined : under?.vote;
      if (vote?.startsWith("void")) return vote;
      // Not for a page that the base only checked: it may have been committed before the page was changed.
      if (vote?.startsWith("reject")) word ??= this.doomed(under!) ?? this.loses(under!, "deltas");
    }
    return word;
  }

  private loses(s: DumbSlice, by?: "deltas"): string | undefined {
    for (const item of s.items) {
      if (by === "deltas" && !item.writes) continue;
      const root = this.root(s, item);
      const winner = root === undefined ? undefined : this.winner(s, item, root);
      if (winner !== undefined && winner !== "hold") return `reject ${winner}`;
    }
    return undefined;
  }

  private root(s: DumbSlice, item: DumbItem): string | undefined {
    let base = item.base;
    while (this.isOwn(s, base) && !this.facts.has(base)) {
      const under = this.slices
        .find((x) => idOf(x) === base)
        ?.items.find((i) => i.writes && i.page === item.page);
      if (under === undefined) return undefined;
      base = under.base;
    }
    return base;
  }

  /**
   * Undecided own bases, where nothing else speaks against the slice: a machine that remembers one reason of several for a base may
   * not know that it takes the slice along.
   */
  basesThatBeat(id: string): string[] {
    const s = this.slices.find((x) => idOf(x) === id)!;
    const bases = this.ownBasesOf(s).map((lsn) => `${s.stream}:${lsn}`);
    if (this.loses(s) !== undefined || bases.some((base) => this.facts.get(base) === "abort")) return [];
    return bases.filter((base) => !this.facts.has(base));
  }

  /** The committed version that neither is `root` nor lies under it. */
  private winner(s: DumbSlice, { page, writes }: DumbItem, root: string): string | undefined {
    const chain = this.chain(page);
    const line = ["none", ...chain];
    const at = line.indexOf(root);
    if (at >= 0 && at < line.length - 1) {
      const [stream, lsn] = line[at + 1]!.split(":").map(Number);
      // What its own stream changed after it had checked.
      return !writes && stream === s.stream && lsn! > s.lsn ? "hold" : line[at + 1];
    }
    const apart = this.slices.filter(
      (s) =>
        this.facts.get(idOf(s)) === "commit" &&
        s.items.some((i) => i.writes && i.page === page) &&
        !chain.includes(idOf(s)),
    );
    // The slice may lie in the gap below what is apart: then it is committed itself.
    if (at === line.length - 1) return apart.length > 0 ? "hold" : undefined;
    return "hold";
  }

  private evaluate(s: DumbSlice): string {
    const words = [this.doomed(s), ...s.items.map((item) => this.itemWord(s, item))];
    for (const kind of ["void", "reject", "hold", "wait"]) {
      const found = words.find((w) => w?.startsWith(kind));
      if (found !== undefined) return found;
    }
    return "accept";
  }

  private itemWord(s: DumbSlice, item: DumbItem): string | undefined {
    const root = this.root(s, item);
    if (root === undefined) return "hold";
    const winner = this.winner(s, item, root);
    if (winner !== undefined) return winner === "hold" ? "hold" : `reject ${winner}`;
    const ancestors = new Set<string>();
    for (
      let base: string | undefined = item.base;
      base !== undefined && this.isOwn(s, base) && !this.facts.has(base);
    ) {
      ancestors.add(base);
      const at: string = base;
      base = this.slices
        .find((x) => idOf(x) === at)
        ?.items.find((i) => i.writes && i.page === item.page)?.base;
    }
    const others = this.pending().filter((x) => x !== s);
    const base =
      this.isOwn(s, item.base) && !this.facts.has(item.base)
        ? others.find((x) => idOf(x) === item.base)
        : undefined;
    if (base !== undefined && base.vote !== "accept") return "hold";
    for (const x of others)
      if (x.stream === s.stream && (x.lsn < s.lsn || item.writes) && /^(accept|wait)/.test(x.vote))
        if (x.items.some((i) => i.writes && i.page === item.page) && !ancestors.has(idOf(x))) return "hold";
    for (const x of others)
      if (
        x.stream !== s.stream &&
        x.vote === "accept" &&
        x.items.some((i) => i.page === item.page && (i.writes || item.writes))
      )
        return `wait ${idOf(x)}`;
    return undefined;
  }
}
