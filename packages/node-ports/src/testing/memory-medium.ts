/** A page store's medium in memory, whose operations end when they are told to, and of which a crash leaves what a disk would. */
import { Random } from "@sixfold/model";
import { DiskFaultError, sectorBytes } from "@sixfold/ports";
import type { PageMedium, Run } from "../pages/page-medium.ts";

interface Operation {
  /** All of it. */
  readonly apply: () => void;
  /** What a crash leaves of it. */
  readonly tear: () => void;
  readonly end: (error?: Error) => void;
}

export class MemoryMedium implements PageMedium {
  data: Uint8Array = new Uint8Array(0);
  index: Uint8Array | undefined;
  readonly #random: Random;
  #underWay: Operation[] = [];
  #isDown = false;

  constructor(seed: number) {
    this.#random = new Random(seed);
  }

  get dataBytes(): number {
    return this.data.length;
  }

  get isBusy(): boolean {
    return this.#underWay.length > 0;
  }

  /** Ends one of the operations under way: well, or with an error that has changed nothing. */
  step(error?: Error): void {
    if (!this.isBusy) return;
    const [operation] = this.#underWay.splice(this.#random.int(this.#underWay.length), 1) as [Operation];
    if (error === undefined) operation.apply();
    operation.end(error);
  }

  /** What is under way is torn, and nothing ends any more. Returns the medium as the next start finds it. */
  crash(seed: number): MemoryMedium {
    for (const operation of this.#underWay) operation.tear();
    this.#underWay = [];
    this.#isDown = true;
    const next = new MemoryMedium(seed);
    next.data = this.data.slice();
    next.index = this.index?.slice();
    return next;
  }

  async readIndex(): Promise<Uint8Array | undefined> {
    return this.index?.slice();
  }

  read(into: Uint8Array, at: number): void {
    if (at + into.length > this.data.length) throw new DiskFaultError("beyond the end");
    into.set(this.data.subarray(at, at + into.length));
  }

  readLater(into: Uint8Array, at: number): Promise<void> {
    const read = (): void => this.read(into, at);
    return this.#operation(read, () => undefined);
  }

  writeData(runs: readonly Run[]): Promise<void> {
    const write = (sectors: (bytes: Uint8Array) => Uint8Array): void => {
      for (const { at, chunks } of runs)
        this.data = this.#over(this.data, Buffer.concat(chunks), at, sectors);
    };
    return this.#operation(
      () => write((bytes) => bytes),
      () => write((bytes) => this.#torn(bytes)),
    );
  }

  appendIndex(record: Uint8Array, at: number): Promise<void> {
    const write = (bytes: Uint8Array): void => {
      this.index = this.#over(this.index ?? new Uint8Array(0), bytes, at, (all) => all);
    };
    return this.#operation(
      () => write(record),
      () =>
        write(
          this.#random.int(2) === 0 ? record.slice(0, this.#random.int(record.length)) : this.#torn(record),
        ),
    );
  }

  replaceIndex(index: Uint8Array): Promise<void> {
    const replace = (): void => void (this.index = index.slice());
    return this.#operation(replace, () => void (this.#random.int(2) === 0 && replace()));
  }

  cutData(bytes: number): Promise<void> {
    const cut = (): void => void (this.data = this.data.slice(0, bytes));
    return this.#operation(cut, () => void (this.#random.int(2) === 0 && cut()));
  }

  async close(): Promise<void> {}

  #operation(apply: () => void, tear: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (error?: Error): void => (error === undefined ? resolve() : reject(error));
      if (!this.#isDown) this.#underWay.push({ apply, tear, end });
    });
  }

  #over(
    old: Uint8Array,
    bytes: Uint8Array,
    at: number,
    sectors: (bytes: Uint8Array) => Uint8Array,
  ): Uint8Array {
    const whole = new Uint8Array(Math.max(old.length, at + bytes.length));
    whole.set(old);
    whole.set(sectors(bytes), at);
    return whole;
  }

  /** Each sector is written, or is not: something else stands there. */
  #torn(bytes: Uint8Array): Uint8Array {
    const torn = new Uint8Array(bytes);
    for (let at = 0; at < torn.length; at += sectorBytes)
      if (this.#random.int(2) === 0) torn.fill(this.#random.int(256), at, at + sectorBytes);
    return torn;
  }
}
