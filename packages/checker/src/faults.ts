/**
 * Anomalies that need no cycle: values read that should not have been there. Every option forbids them to its reader.
 * One report a version is enough: it names the first reader and how many there are.
 */
import type { Footprint } from "./footprint.ts";
import type { History } from "./history.ts";
import { promiseOf, type Anomaly, type AnomalyName } from "./report.ts";
import type { Versions } from "./versions.ts";

interface Fault {
  readonly name: AnomalyName;
  readonly readers: Set<number>;
  readonly others: readonly number[];
  readonly sentence: (reader: number) => string;
}

export class Faults {
  private readonly history: History;
  private readonly versions: Versions;
  private readonly found = new Map<string, Fault>();

  constructor(history: History, versions: Versions) {
    this.history = history;
    this.versions = versions;
  }

  /** The value has no writer in the whole history. */
  garbage(reader: number, key: number, value: number): void {
    const name = this.versions.nameOf(key);
    this.note(
      "garbage read",
      `${key} ${value}`,
      [],
      reader,
      (id) => `T${id} read ${value} in ${name}, which nobody wrote`,
    );
  }

  /** The version's writer was aborted (G1a), or wrote the key again before it committed (G1b). */
  dirty(name: "G1a" | "G1b", reader: number, version: number): void {
    const { versions } = this;
    const writer = versions.writerOf(version);
    const what = name === "G1a" ? "was aborted" : "wrote the key again before it committed";
    const key = versions.nameOf(versions.keyOf(version));
    this.note(
      name,
      `${version}`,
      [writer],
      reader,
      (id) => `T${id} read ${versions.valueOf(version)} in ${key} of T${this.idOf(writer)}, which ${what}`,
    );
  }

  /** The read shows a write that its transaction had not made yet. */
  ownFuture(reader: number, version: number): void {
    const { versions } = this;
    const key = versions.nameOf(versions.keyOf(version));
    const value = versions.valueOf(version);
    this.note(
      "internal inconsistency",
      `${version}`,
      [],
      reader,
      (id) => `T${id} read ${value} in ${key} before it wrote it itself`,
    );
  }

  inconsistencies(reader: number, { inconsistencies }: Footprint): void {
    for (const sentence of inconsistencies)
      this.note("internal inconsistency", sentence, [], reader, () => sentence);
  }

  duplicate(reader: number, key: number, value: number): void {
    const name = this.versions.nameOf(key);
    this.note(
      "duplicate",
      `${key} ${value}`,
      [],
      reader,
      (id) => `T${id} read ${value} twice in list ${name}`,
    );
  }

  /** Both lists were read, and neither begins like the other. */
  incompatible(reader: number, key: number, read: readonly number[], longest: readonly number[]): void {
    const name = this.versions.nameOf(key);
    this.note(
      "incompatible order",
      `${key}`,
      [],
      reader,
      (id) => `T${id} read list ${name} as [${read.join(" ")}], others as [${excerpt(read, longest)}]`,
    );
  }

  /** Both saw the same version and wrote on its ground. */
  lostUpdate(first: number, second: number, key: number, seen: string): void {
    const name = this.versions.nameOf(key);
    const both = `both T${this.idOf(first)} and T${this.idOf(second)} read ${name} as ${seen}, and both wrote it`;
    this.note("lost update", `${key} ${first} ${second}`, [first], second, () => both);
  }

  report(): Anomaly[] {
    return [...this.found.values()].map(({ name, readers, others, sentence }) => {
      const [first] = readers;
      const explanation = [sentence(this.idOf(first!))];
      if (readers.size > 1) explanation.push(`and so for ${readers.size - 1} more`);
      const obliged = name === "lost update" ? [...others, ...readers] : [...readers];
      return {
        name,
        transactions: [...new Set([...others, first!])].map((index) => this.idOf(index)),
        breaks: [...new Set(obliged.map((index) => promiseOf(this.history[index]!)))],
        explanation,
      };
    });
  }

  private note(
    name: AnomalyName,
    what: string,
    others: readonly number[],
    reader: number,
    sentence: (reader: number) => string,
  ): void {
    const id = `${name} ${what}`;
    const known = this.found.get(id);
    if (known !== undefined) known.readers.add(reader);
    else this.found.set(id, { name, readers: new Set([reader]), others, sentence });
  }

  private idOf(index: number): number {
    return this.history[index]!.id;
  }
}

/** The longest list as far as it takes to see where the other differs. */
function excerpt(read: readonly number[], longest: readonly number[]): string {
  const differs = read.findIndex((value, i) => longest[i] !== value);
  const shown = longest.slice(0, differs + 3).join(" ");
  return longest.length > differs + 3 ? `${shown} …` : shown;
}
