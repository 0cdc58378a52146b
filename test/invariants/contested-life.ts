/**
 * A random life around contested entries: what recoveries, fences and the manifest's commits are for, and what a cluster sees once in
 * a thousand faults.
 *
 * Scene after scene masters reach different segments while they write the same few rows; some frames of those held back arrive all the
 * same; then masters die or lose each other, so that others recover their streams through whatever segments they reach. In the end
 * all heals, and balances, receipts, logs and the monitor are asked as in `random-life.ts`.
 */
import { Random, type PlantedBug } from "@sixfold/model";
import { SEGMENTS, type World } from "../scenario/world.ts";
import { Accounts } from "./accounts.ts";
import { hold, part, start } from "./play.ts";

const SCENES = 8;
/** By then a segment that has not answered counts as silent, and a master that is not heard is suspected. */
const SILENCE_MS = 350;
/** Rounds of delivery that fit between two moves of a scene; undefined: all there are. */
const PACES = [1, 2, 3, undefined, undefined];

/** One life. Returns what was found wrong. */
export function contestedLife(seed: number, planted: readonly PlantedBug[] = []): string[] {
  const random = new Random(seed);
  const writers = random.chance(0.3) ? 2 : 3;
  const world = start(
    { mode: "multi", writers, suspectAfterMs: 100, poolPages: random.pick([8, 1000]), planted },
    { ...Accounts.opening, ...Accounts.filling },
  );
  const accounts = new Accounts(world, true);
  for (let i = 0; i < SCENES; i++) new Scene(world, random, accounts).play();
  return accounts.endings();
}

class Scene {
  private readonly world: World;
  private readonly random: Random;
  private readonly accounts: Accounts;
  private readonly nodes: readonly string[];
  /** One round at a time, messages of all kinds are on their way when something happens. */
  private readonly pace: number | undefined;

  constructor(world: World, random: Random, accounts: Accounts) {
    this.world = world;
    this.random = random;
    this.accounts = accounts;
    this.nodes = [...world.nodes.keys()];
    this.pace = random.pick(PACES);
  }

  play(): void {
    const { random, world } = this;
    if (random.chance(0.15)) this.duel();
    else if (this.nodes.length > 2 && random.chance(0.4)) this.crossed();
    else this.mixed();
    if (random.chance(0.5)) this.restartSegments();
    this.leak();
    this.wait();
    this.clear();
    for (const name of random.shuffle([...this.nodes])) if (!world.isRunning(name)) world.restart(name);
    for (const a of this.nodes) for (const b of this.nodes) if (a < b) world.heal(a, b);
    this.wait();
  }

  private mixed(): void {
    const { random } = this;
    this.drawReaches();
    this.write();
    this.leak();
    if (random.chance(0.5)) this.wait();
    if (random.chance(0.5)) {
      this.drawReaches();
      this.write();
    }
    if (random.chance(0.8)) this.lose();
    this.leak();
    if (random.chance(0.7)) this.drawReaches();
    this.wait();
  }

  /**
   * One master reaches a few segments, a second the others; both write, and what can goes through the manifest. The first dies, and a third
   * recovers its stream from whatever four answer first.
   */
  private crossed(): void {
    const { random, world } = this;
    const [first, second, third] = random.shuffle([...this.nodes]);
    const few = random.shuffle([...SEGMENTS]).slice(0, random.pick([2, 2, 3, 4]));
    const others = SEGMENTS.filter((segment) => !few.includes(segment));
    // What it wrote last it owns: then four accepts commit, and two that answer a recovery may be half of them.
    if (random.chance(0.6)) for (let i = 0; i < 5; i++) this.writeAt([first!]);
    world.tick(50);
    this.reach(first!, few);
    this.reach(second!, random.chance(0.7) ? others : random.shuffle([...SEGMENTS]).slice(0, 4));
    // Or each would give way to what it hears of the other; and so would segments.
    if (random.chance(0.7)) hold(world, [first!, second!], [first!, second!]);
    if (random.chance(0.6)) {
      part(world, few, others);
    }
    this.writeAt(random.chance(0.5) ? [first!, second!] : [second!, first!]);
    if (random.chance(0.7)) world.tick(SILENCE_MS, this.pace);
    if (random.chance(0.3)) this.writeAt([first!, second!]);
    if (random.chance(0.4)) this.kill(first!);
    else world.cut(first!, third!);
    this.reach(third!, random.shuffle([...SEGMENTS]).slice(0, 4));
    this.wait();
    if (random.chance(0.5)) this.reach(second!, SEGMENTS);
    world.tick(SILENCE_MS, this.pace);
  }

  /** All masters recover one another at once, through seats that lose power between promising and accepting. */
  private duel(): void {
    const { random, world } = this;
    this.write();
    for (const a of this.nodes) for (const b of this.nodes) if (a < b) world.cut(a, b);
    world.tick(100, 1);
    for (let i = 0; i < 8; i++) {
      world.tick(10 * (1 + random.int(3)), 1);
      this.powerLoss(random.shuffle([...SEGMENTS]).slice(0, 1 + random.int(SEGMENTS.length)));
    }
  }

  private powerLoss(names: readonly string[]): void {
    for (const name of names) this.world.crash(name, { tear: true });
    for (const name of names) this.world.restart(name);
    this.world.run(1);
  }

  private reach(node: string, reached: readonly string[]): void {
    for (const segment of SEGMENTS) {
      part(this.world, [node], [segment], !reached.includes(segment));
    }
    this.world.run(this.pace);
  }

  private kill(node: string): void {
    this.world.clients.get(node)!.forget();
    this.world.crash(node);
  }

  /** Which segments each master reaches, and which reach it. Two masters often have one half each. */
  private drawReaches(): void {
    const { random } = this;
    let other: readonly string[] = [];
    for (const node of random.shuffle([...this.nodes])) {
      const some = random.shuffle([...SEGMENTS]).slice(0, random.pick([2, 3, 4, 4, 5, 6]));
      const reached =
        other.length > 0 && random.chance(0.5) ? SEGMENTS.filter((s) => !other.includes(s)) : some;
      for (const segment of SEGMENTS) {
        hold(this.world, [node], [segment], !reached.includes(segment));
        hold(this.world, [segment], [node], !reached.includes(segment) || random.chance(0.15));
      }
      other = reached;
    }
    this.world.run(this.pace);
  }

  private write(): void {
    this.writeAt(this.random.shuffle([...this.nodes]));
  }

  private writeAt(nodes: readonly string[]): void {
    for (const node of nodes)
      for (let n = this.random.int(3); n > 0; n--) {
        this.accounts.move(node, this.random);
        if (this.random.chance(0.6)) this.world.run(this.pace);
      }
    this.world.run(this.pace);
  }

  /** Some of what is held arrives, frame by frame. */
  private leak(): void {
    for (let n = this.random.int(6); n > 0; n--) {
      const held = [...this.world.links.all()].filter(
        ({ isHeld, queue }) => isHeld && queue[0]?.kind === "frame",
      );
      if (held.length === 0) return;
      const { from, to } = this.random.pick(held);
      this.world.deliver(from, to);
      if (this.random.chance(0.7)) this.world.run(this.pace);
    }
  }

  /** Masters die, or no longer hear each other: either way the others recover their streams. */
  private lose(): void {
    const { random, world } = this;
    const [first, second] = random.shuffle([...this.nodes]);
    if (random.chance(0.5)) this.kill(first!);
    else world.cut(first!, second!);
    world.run(this.pace);
  }

  private restartSegments(): void {
    const { random, world } = this;
    for (const name of random.shuffle([...SEGMENTS]).slice(0, 1 + random.int(SEGMENTS.length)))
      world.crash(name, random.chance(0.5) ? { tear: true } : undefined);
    if (random.chance(0.5)) this.wait();
    for (const name of SEGMENTS) if (!world.isRunning(name)) world.restart(name);
    world.run(this.pace);
  }

  private wait(): void {
    const ticks = 1 + this.random.int(this.random.chance(0.4) ? 40 : 8);
    this.world.tick(10 * ticks, this.pace);
  }

  private clear(): void {
    hold(this.world, this.nodes, this.nodes, false);
    hold(this.world, SEGMENTS, SEGMENTS, false);
    for (const node of this.random.shuffle([...this.nodes]))
      for (const segment of this.random.shuffle([...SEGMENTS])) {
        part(this.world, [node], [segment], false);
        if (this.random.chance(0.3)) this.world.run(this.pace);
      }
    this.world.run(this.pace);
  }
}
