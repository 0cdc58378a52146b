/**
 * Keys and versions as small integers. A version is what one write made of its key, known again by its value; each key has
 * an initial version besides, the absent row. For a list a version stands for its last element.
 *
 * Transactions are their positions in the history, here and in all that follows.
 */
import { IntList } from "./int-list.ts";

/** A history that no client can have recorded: two sessions' ids mixed up, a value written twice. */
export class MalformedHistory extends Error {
  override readonly name = "MalformedHistory";
}

export type KeyKind = "list" | "register";

/** The writer of an initial version. */
export const NOBODY = -1;

interface Key {
  readonly name: string;
  readonly kind: KeyKind;
  readonly initial: number;
  readonly byValue: Map<number, number>;
}

export class Versions {
  private readonly ids = new Map<string, number>();
  private readonly keys: Key[] = [];
  private readonly keyOfVersion = new IntList();
  private readonly writers = new IntList();
  /** 1: the last that its transaction wrote to the key. 0: overwritten before the commit. */
  private readonly lasts = new IntList();
  private readonly values: (number | undefined)[] = [];

  get keyCount(): number {
    return this.keys.length;
  }

  get count(): number {
    return this.values.length;
  }

  /** The key's number; the first use decides what kind it is. */
  key(name: string, kind: KeyKind): number {
    const known = this.ids.get(name);
    if (known !== undefined) {
      if (this.keys[known]!.kind !== kind)
        throw new MalformedHistory(`key ${name} is used as a list and as a register`);
      return known;
    }
    const id = this.keys.length;
    const initial = this.add(id, NOBODY, undefined);
    this.keys.push({ name, kind, initial, byValue: new Map() });
    this.ids.set(name, id);
    return id;
  }

  /** A transaction writes `value`. Earlier versions of the same transaction are marked by `supersede`. */
  write(key: number, value: number, writer: number): number {
    const { byValue, name } = this.keys[key]!;
    if (byValue.has(value)) throw new MalformedHistory(`value ${value} is written to key ${name} twice`);
    const version = this.add(key, writer, value);
    byValue.set(value, version);
    return version;
  }

  /** The writer wrote the key again before it committed. */
  supersede(version: number): void {
    this.lasts.set(version, 0);
  }

  /** The version with this value, or undefined if nobody wrote it. */
  find(key: number, value: number): number | undefined {
    return this.keys[key]!.byValue.get(value);
  }

  initialOf(key: number): number {
    return this.keys[key]!.initial;
  }

  nameOf(key: number): string {
    return this.keys[key]!.name;
  }

  kindOf(key: number): KeyKind {
    return this.keys[key]!.kind;
  }

  keyOf(version: number): number {
    return this.keyOfVersion.at(version);
  }

  valueOf(version: number): number | undefined {
    return this.values[version];
  }

  writerOf(version: number): number {
    return this.writers.at(version);
  }

  isLast(version: number): boolean {
    return this.lasts.at(version) === 1;
  }

  private add(key: number, writer: number, value: number | undefined): number {
    this.keyOfVersion.push(key);
    this.writers.push(writer);
    this.lasts.push(1);
    this.values.push(value);
    return this.values.length - 1;
  }
}
