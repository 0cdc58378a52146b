/**
 * The versions of a register in their order, as far as it is certain, and the edges that follow.
 *
 *  - A read tells which version it saw: writer -> reader.
 *  - A transaction that read one version and wrote another put it right behind: nobody can have come between without
 *    a lost update, which no option allows. Versions so linked form a *block*; a block comes as a whole.
 *  - The initial version comes first, and with it its block. All other blocks begin with a blind write.
 *
 *     [initial -> 1 -> 2]   [5 -> 3]   [4]         reads of 2 come before the writes of 5 and 4; reads of 3: who knows
 *
 * What else can be told of the order of blocks needs the graph as a whole: block-order.ts.
 */
import type { Edges } from "./edges.ts";
import type { Faults } from "./faults.ts";
import { show } from "./footprint.ts";
import type { KeyUsers, Observations } from "./observations.ts";
import { NOBODY, type Versions } from "./versions.ts";

/** Versions that certainly follow one another at once. */
export interface Block {
  readonly head: number;
  readonly last: number;
  /** Its first writer had not read the key, so it need not have had in its snapshot what it overwrote. */
  readonly blind: boolean;
}

/** Two or more blocks that are not the initial one: what remains to be ordered. */
export interface UnorderedKey {
  readonly key: number;
  readonly blocks: readonly Block[];
  /** The block of each version, by its position in `blocks`; versions of the initial block are missing. */
  readonly blockOf: ReadonlyMap<number, number>;
  /** Who read which version, versions of `blocks` only. */
  readonly readers: readonly { readonly reader: number; readonly version: number }[];
}

export class RegisterOrder {
  private readonly observations: Observations;
  private readonly versions: Versions;
  private readonly key: number;
  private readonly users: KeyUsers;
  private readonly edges: Edges;
  private readonly faults: Faults;
  /** What certainly follows a version at once. */
  private readonly nextOf = new Map<number, number>();
  private readonly readersOf = new Map<number, number[]>();
  /** Versions that follow another one of a counted writer, or the initial one. */
  private readonly linked = new Set<number>();

  constructor(observations: Observations, key: number, users: KeyUsers, edges: Edges, faults: Faults) {
    this.observations = observations;
    this.versions = observations.versions;
    this.key = key;
    this.users = users;
    this.edges = edges;
    this.faults = faults;
  }

  /** Returns what the order of this key still lacks, or undefined if nothing can be told beyond the edges added. */
  addEdges(): UnorderedKey | undefined {
    for (const reader of this.users.readers) this.addReader(reader);
    for (const [older, newer] of this.nextOf) this.addNext(older, newer);
    const initial = this.blockFrom(this.versions.initialOf(this.key));
    const blocks: Block[] = [];
    const blockOf = new Map<number, number>();
    for (const writer of this.users.writers) {
      const head = this.writtenBy(writer);
      if (this.linked.has(head)) continue;
      const members = this.blockFrom(head);
      for (const version of members) blockOf.set(version, blocks.length);
      const { blind } = this.observations.footprints[writer]!.writes.get(this.key)!;
      blocks.push({ head, last: members.at(-1)!, blind });
    }
    this.putBehind(initial.at(-1)!, blocks);
    if (blocks.length < 2) return undefined;
    const readers = [...blockOf.keys()].flatMap((version) =>
      (this.readersOf.get(version) ?? []).map((reader) => ({ reader, version })),
    );
    return { key: this.key, blocks, blockOf, readers };
  }

  private addReader(reader: number): void {
    const shown = this.shownTo(reader);
    if (shown === undefined) return;
    const readers = this.readersOf.get(shown);
    if (readers === undefined) this.readersOf.set(shown, [reader]);
    else readers.push(reader);
    const writer = this.versions.writerOf(shown);
    if (writer !== NOBODY) this.edges.read(writer, reader, shown);
    if (!this.observations.footprints[reader]!.writes.has(this.key)) return;
    const next = this.nextOf.get(shown);
    this.linked.add(this.writtenBy(reader));
    if (next === undefined) {
      this.nextOf.set(shown, this.writtenBy(reader));
    } else {
      this.faults.lostUpdate(
        this.versions.writerOf(next),
        reader,
        this.key,
        show(this.versions.valueOf(shown)),
      );
    }
  }

  /** The version that a reader saw, if it is one that was there to be seen. Reports what is not. */
  private shownTo(reader: number): number | undefined {
    const { value } = this.observations.footprints[reader]!.reads.get(this.key)!;
    if (value === undefined) return this.versions.initialOf(this.key);
    const version = this.versions.find(this.key, value);
    if (version === undefined) {
      this.faults.garbage(reader, this.key, value);
      return undefined;
    }
    const writer = this.versions.writerOf(version);
    if (writer === reader) this.faults.ownFuture(reader, version);
    else if (this.observations.isCounted[writer] === 0) this.faults.dirty("G1a", reader, version);
    else if (!this.versions.isLast(version)) this.faults.dirty("G1b", reader, version);
    else return version;
    return undefined;
  }

  private addNext(older: number, newer: number): void {
    const by = this.versions.writerOf(newer);
    const writer = this.versions.writerOf(older);
    if (writer !== NOBODY) this.edges.overwritten(by, writer, { older, newer, blind: false });
    for (const reader of this.readersOf.get(older) ?? [])
      if (reader !== by) this.edges.antiDependency(reader, by, older, newer);
  }

  /** The versions that follow `head` one by one. A ring of them, seen in a broken history, is walked once. */
  private blockFrom(head: number): number[] {
    const members = [head];
    const met = new Set(members);
    for (
      let next = this.nextOf.get(head);
      next !== undefined && !met.has(next);
      next = this.nextOf.get(next)
    ) {
      members.push(next);
      met.add(next);
    }
    return members;
  }

  /** All of `blocks` come after `last`, the end of the initial block. */
  private putBehind(last: number, blocks: readonly Block[]): void {
    if (blocks.length === 0) return;
    const writer = this.versions.writerOf(last);
    const helper = this.edges.helper();
    for (const { head, blind } of blocks) {
      const by = this.versions.writerOf(head);
      if (writer !== NOBODY) this.edges.overwritten(by, writer, { older: last, newer: head, blind });
      this.edges.stepToWriter(helper, by, head);
    }
    for (const reader of this.readersOf.get(last) ?? []) this.edges.antiDependencies(reader, helper, last);
  }

  private writtenBy(writer: number): number {
    return this.observations.footprints[writer]!.writes.get(this.key)!.versions.at(-1)!;
  }
}
