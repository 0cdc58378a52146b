export { type Delay, fixedDelay } from "./delay.ts";
export type { DiskImage } from "./disk-image.ts";
export type { Mischief } from "./mischief.ts";
export type { FabricOptions, PartitionOptions, SimFabric } from "./sim-fabric.ts";
export type { CrashPoint, NodeOptions, SimNode } from "./sim-node.ts";
export type { PageStoreImage } from "./sim-page-store.ts";
export type { Boundary } from "./timeline.ts";
export { World, type WorldOptions } from "./world.ts";
