/** The simulated ports keep the same contracts as the real ones. */
import type { Harness } from "@sixfold/ports/contract";
import {
  clockContract,
  diskContract,
  logContract,
  networkContract,
  pageStoreContract,
} from "@sixfold/ports/contract";
import { logBlockCodec } from "@sixfold/wire";
import { World } from "./world.ts";

function harness(world: World): Harness {
  return {
    until: (condition) => world.run(condition),
    async settle(promise) {
      let isSettled = false;
      const settled = (): void => void (isSettled = true);
      promise.then(settled, settled);
      await world.run(() => isSettled);
      return promise;
    },
    close: async () => {},
  };
}

async function diskHarness(seed: number) {
  const world = new World(seed);
  const node = world.node("n");
  const settle = <T>(promise: Promise<T>): Promise<T> => harness(world).settle(promise);
  let disk = await settle(node.host.openDisk("d"));
  return {
    ...harness(world),
    disk,
    reopen: async () => {
      await settle(disk.close());
      return (disk = await settle(node.host.openDisk("d")));
    },
  };
}

for (const seed of [1, 2, 3]) {
  clockContract(`simulated, seed ${seed}`, async () => {
    const world = new World(seed);
    return { ...harness(world), clock: world.node("n", { driftPpm: seed === 2 ? -300 : 0 }).host.clock };
  });
  networkContract(`simulated, seed ${seed}`, async () => {
    const world = new World(seed, { network: { lossChance: seed === 3 ? 0.01 : 0 } });
    const { network } = world.node("n").host;
    return { ...harness(world), network, host: "n", deadUrl: "ws://n:9" };
  });
  diskContract(`simulated, seed ${seed}`, () => diskHarness(seed));
  logContract(`simulated, seed ${seed}`, logBlockCodec, () => diskHarness(seed));
  pageStoreContract(`simulated, seed ${seed}`, async () => {
    const world = new World(seed);
    const node = world.node("n");
    const settle = <T>(promise: Promise<T>): Promise<T> => harness(world).settle(promise);
    let store = await settle(node.host.openPageStore("p"));
    return {
      ...harness(world),
      store,
      reopen: async () => {
        await settle(store.close());
        return (store = await settle(node.host.openPageStore("p")));
      },
    };
  });
}
