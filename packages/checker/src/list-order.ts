/**
 * The versions of a list in their order, and the edges that follow (Kingsbury and Alvaro, "Elle", VLDB 2020, section 4.2).
 *
 * The longest read of a key tells the order of its elements; every other read must be a beginning of it. Appends that no
 * read shows come after all that is known ("the tail"), in no known order:
 *
 *     longest read   1 2 5 3        chain: initial, 1, 2, 5, 3        tail: 4, 6
 *
 * An append is a read-modify-write of the whole row, so whoever read the last version known and appended unseen comes next:
 * nobody can have come between without a lost update.
 */
import type { Edges } from "./edges.ts";
import type { Faults } from "./faults.ts";
import { startsWith, type ExternalRead } from "./footprint.ts";
import type { KeyUsers, Observations } from "./observations.ts";
import { NOBODY, type Versions } from "./versions.ts";

/** A read that is a beginning of the chain, by the position of the last version that it shows. */
interface SoundRead {
  readonly reader: number;
  readonly at: number;
}

export class ListOrder {
  private readonly observations: Observations;
  private readonly versions: Versions;
  private readonly key: number;
  private readonly users: KeyUsers;
  private readonly longest: readonly number[];
  private readonly edges: Edges;
  private readonly faults: Faults;
  /** The initial version, then those of counted writers, each once. */
  private readonly chain: number[];
  private readonly inChain = new Set<number>();
  /** By number of elements read: the position in `chain` of the last one shown. */
  private readonly shownBy: Int32Array;
  /** Positions in `longest` of elements that are not in the chain. */
  private readonly suspects: number[] = [];

  constructor(
    observations: Observations,
    key: number,
    known: { readonly users: KeyUsers; readonly longest: readonly number[] },
    edges: Edges,
    faults: Faults,
  ) {
    this.observations = observations;
    this.versions = observations.versions;
    this.key = key;
    this.users = known.users;
    this.longest = known.longest;
    this.edges = edges;
    this.faults = faults;
    this.chain = [this.versions.initialOf(key)];
    this.shownBy = new Int32Array(this.longest.length + 1);
    this.longest.forEach((value, i) => {
      const version = this.versions.find(key, value);
      const writer = version === undefined ? NOBODY : this.versions.writerOf(version);
      if (writer === NOBODY || observations.isCounted[writer] === 0 || this.inChain.has(version!)) {
        this.suspects.push(i);
      } else {
        this.chain.push(version!);
        this.inChain.add(version!);
      }
      this.shownBy[i + 1] = this.chain.length - 1;
    });
  }

  addEdges(): void {
    const sound: SoundRead[] = [];
    for (const reader of this.users.readers) {
      const read = this.observations.footprints[reader]!.reads.get(this.key)!;
      this.judgeOwn(reader, read);
      if (startsWith(read.values, this.longest, read.length)) {
        this.judgeElements(reader, read, this.suspects);
        sound.push({ reader, at: this.shownBy[read.length]! });
      } else {
        const values = read.values.slice(0, read.length);
        this.faults.incompatible(reader, this.key, values, this.longest);
        this.judgeElements(reader, read, [...values.keys()]);
      }
    }
    for (let at = 2; at < this.chain.length; at++) this.overwrite(at - 1, at);
    for (const read of sound) this.addReader(read);
    this.addTail(sound.filter(({ at }) => at === this.chain.length - 1).map(({ reader }) => reader));
  }

  /** No read shows what its transaction appends only later. */
  private judgeOwn(reader: number, read: ExternalRead): void {
    for (const own of this.observations.footprints[reader]!.writes.get(this.key)?.versions ?? []) {
      const position = read.values.indexOf(this.versions.valueOf(own)!);
      if (position >= 0 && position < read.length) this.faults.ownFuture(reader, own);
    }
  }

  /** The elements at these positions may have no writer, an aborted one, or be there twice. */
  private judgeElements(reader: number, read: ExternalRead, positions: readonly number[]): void {
    if (positions.length === 0) return;
    const firstAt = new Map<number, number>();
    for (let i = read.length - 1; i >= 0; i--) firstAt.set(read.values[i]!, i);
    for (const position of positions) {
      if (position >= read.length) return;
      const value = read.values[position]!;
      const version = this.versions.find(this.key, value);
      if (version === undefined) this.faults.garbage(reader, this.key, value);
      else if (this.observations.history[this.versions.writerOf(version)]!.outcome === "aborted")
        this.faults.dirty("G1a", reader, version);
      if (firstAt.get(value)! < position) this.faults.duplicate(reader, this.key, value);
    }
  }

  private addReader({ reader, at }: SoundRead): void {
    const shown = this.chain[at]!;
    const writer = this.versions.writerOf(shown);
    if (writer !== NOBODY && writer !== reader) {
      this.edges.read(writer, reader, shown);
      if (!this.versions.isLast(shown)) this.faults.dirty("G1b", reader, shown);
    }
    const next = this.chain[at + 1];
    if (next === undefined) return;
    const overwriter = this.versions.writerOf(next);
    // A read between two appends of one transaction is a G1b, which says it better than a cycle of two.
    if (overwriter !== reader && overwriter !== writer)
      this.edges.antiDependency(reader, overwriter, shown, next);
  }

  private addTail(readersOfLast: readonly number[]): void {
    const last = this.chain.at(-1)!;
    const lastWriter = this.versions.writerOf(last);
    const known = new Set(this.chain.map((version) => this.versions.writerOf(version)));
    const tail = this.users.writers.filter(
      (writer) => writer !== lastWriter && this.unseenOf(writer) !== undefined,
    );
    const unseen = new Set(tail);
    const [next, ...rivals] = readersOfLast.filter((reader) => unseen.has(reader) && !known.has(reader));
    const readers = readersOfLast.filter((reader) => !unseen.has(reader));
    if (next === undefined) {
      this.addLaterWriters(last, tail, readers);
      return;
    }
    for (const rival of rivals) this.faults.lostUpdate(next, rival, this.key, this.showLongest());
    this.addLaterWriters(last, [next], readers);
    const others = tail.filter((writer) => writer !== next && !rivals.includes(writer));
    this.addLaterWriters(this.writesOf(next).at(-1)!, others, []);
  }

  /** `writers` come after `last`, in no known order; `readers` saw `last`. */
  private addLaterWriters(last: number, writers: readonly number[], readers: readonly number[]): void {
    const before = this.versions.writerOf(last);
    for (const writer of writers)
      if (before !== NOBODY && before !== writer)
        this.edges.overwritten(writer, before, { older: last, newer: this.unseenOf(writer)!, blind: false });
    if (readers.length === 0 || writers.length === 0) return;
    const helper = this.edges.helper();
    for (const writer of writers) this.edges.stepToWriter(helper, writer, this.unseenOf(writer)!);
    for (const reader of readers) this.edges.antiDependencies(reader, helper, last);
  }

  private overwrite(from: number, to: number): void {
    const older = this.chain[from]!;
    const newer = this.chain[to]!;
    const writer = this.versions.writerOf(older);
    const by = this.versions.writerOf(newer);
    if (writer !== by) this.edges.overwritten(by, writer, { older, newer, blind: false });
  }

  /** The first of the writer's appends that the chain lacks. */
  private unseenOf(writer: number): number | undefined {
    return this.writesOf(writer).find((version) => !this.inChain.has(version));
  }

  private writesOf(writer: number): readonly number[] {
    return this.observations.footprints[writer]!.writes.get(this.key)!.versions;
  }

  private showLongest(): string {
    const shown = this.longest.slice(-8).join(" ");
    return this.longest.length > 8 ? `[… ${shown}]` : `[${shown}]`;
  }
}
