/** Clocks that jump and drift while a node runs, and nodes that become slow. */
import { describe, expect, test } from "vitest";
import { linkedPair } from "./testing/linked-pair.ts";
import { World } from "./world.ts";

describe("clocks", () => {
  test("the wall clock jumps by minutes, the monotonic one does not", async () => {
    const world = new World(1);
    const right = world.node("right").host.clock;
    const wrong = world.node("wrong").host.clock;
    await world.run(1000);
    world.setWallAhead("wrong", -300_000);
    expect(wrong.wallMs() - right.wallMs()).toBe(-300_000);
    expect(wrong.nowMs()).toBe(right.nowMs());
    world.setWallAhead("wrong", 120_000);
    await world.run(2000);
    expect(wrong.wallMs() - right.wallMs()).toBe(120_000);
  });

  test("drift changes: time goes on without a jump, timers run by their own clock and never come early", async () => {
    const world = new World(1);
    const { clock } = world.node("n").host;
    const fired: number[] = [];
    for (const ms of [10_000, 20_000, 30_000]) clock.after(ms, () => fired.push(clock.nowMs() - ms));
    let last = 0;
    for (const [atMs, ppm] of [
      [5000, 100_000],
      [12_000, -200_000],
      [13_000, 0],
      [25_000, 50_000],
    ] as const) {
      await world.run(atMs);
      const before = clock.nowMs();
      expect(before).toBeGreaterThan(last);
      world.setDrift("n", ppm);
      expect(clock.nowMs()).toBe(before);
      last = before;
    }
    await world.run(() => fired.length === 3);
    // A timer set before its clock ran faster comes late, as it was set by the old rate.
    for (const lateMs of fired) expect(lateMs).toBeGreaterThanOrEqual(0);
    expect(world.nowMs).toBeLessThan(31_000);
    expect(clock.nowMs()).toBeCloseTo(
      5000 + 7000 * 1.1 + 1000 * 0.8 + 12_000 + (world.nowMs - 25_000) * 1.05,
      6,
    );
  });

  test("a slowed clock's timer waits for its clock, also after the drift has ended", async () => {
    const world = new World(1);
    const { clock } = world.node("n").host;
    let firedAt = -1;
    clock.after(100, () => (firedAt = clock.nowMs()));
    world.setDrift("n", -100_000);
    await world.run(50);
    world.setDrift("n", 0);
    await world.run(() => firedAt >= 0);
    expect(firedAt).toBeGreaterThanOrEqual(100);
    expect(world.nowMs).toBeGreaterThanOrEqual(105);
    expect(world.nowMs).toBeLessThan(105.01);
  });
});

test("a node becomes slow, and quick again", async () => {
  const { world, server, send } = await linkedPair();
  const sendAll = (): void => {
    for (let i = 0; i < 10; i++) send(String(i));
  };
  world.setEventCost("s", 100);
  sendAll();
  await world.run(world.nowMs + 350);
  expect(server.frames).toHaveLength(4);
  world.setEventCost("s", 0);
  await world.run(world.nowMs + 100);
  expect(server.frames).toHaveLength(10);
  sendAll();
  await world.run(world.nowMs + 2);
  expect(server.frames).toHaveLength(20);
});
