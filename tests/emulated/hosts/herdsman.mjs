// The afternoon of scenario.py for zigbee-herdsman's `ember` adapter; the verdict is a line of JSON.
// node herdsman.mjs URL STICKER …: a sticker is the text of a device's QR code. One more device joins without.
// The package is looked for from the working directory.

import fs from 'node:fs';
import {createRequire} from 'node:module';
import os from 'node:os';
import path from 'node:path';

const require = createRequire(path.join(process.cwd(), 'package.json'));
const {Controller} = require('zigbee-herdsman');

const STEP_LIMIT = 90_000;
const LOOK = 50;
const [url, ...stickers] = process.argv.slice(2);
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'herdsman-'));
const verdict = {};
const interviews = new Map();
let controller;

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function until(predicate) {
    for (const end = Date.now() + STEP_LIMIT; !predicate(); await sleep(LOOK)) {
        if (Date.now() > end) throw new Error('not in time');
    }
}

function start() {
    controller = new Controller({
        network: {
            panID: 0x1a62,
            extendedPanID: [1, 2, 3, 4, 5, 6, 7, 8],
            channelList: [15],
            networkKey: Array.from({length: 16}, (_, index) => index + 1),
        },
        serialPort: {path: url, adapter: 'ember'},
        databasePath: path.join(folder, 'database'),
        databaseBackupPath: path.join(folder, 'database.backup'),
        backupPath: path.join(folder, 'backup'),
        adapter: {},
        acceptJoiningDeviceHandler: async () => true,
    });
    controller.on('deviceInterview', ({device, status}) => {
        if (status !== 'started') interviews.set(device.ieeeAddr, status);
    });
    return controller.start();
}

const lamp = () => controller.getDevices().find((device) => device.modelID === 'Lamp').endpoints[0];

const steps = {
    form: start,
    join: async () => {
        for (const sticker of stickers) await controller.addInstallCode(sticker);
        await controller.permitJoin(200);
        await until(() => interviews.size === stickers.length + 1);
        await controller.permitJoin(0);
        return [...interviews.values()];
    },
    command: async () => {
        await lamp().command('genOnOff', 'on', {});
        return (await lamp().read('genOnOff', ['onOff'])).onOff;
    },
    restart: async () => {
        await controller.stop();
        return start();
    },
    read: async () => (await lamp().read('genBasic', ['modelId'])).modelId,
    rotate: async () => {
        await controller.adapter.broadcastNetworkKeyUpdate();
        return (await lamp().read('genBasic', ['modelId'])).modelId;
    },
    backup: async () => {
        await controller.backup();
        return JSON.parse(fs.readFileSync(path.join(folder, 'backup'))).network_key.sequence_number;
    },
    stop: () => controller.stop(),
};

for (const [name, step] of Object.entries(steps)) {
    try {
        verdict[name] = (await step()) ?? true;
    } catch (error) {
        verdict.failed = `${name}: ${error}`;
        break;
    }
}
fs.rmSync(folder, {recursive: true});
verdict.host = {'zigbee-herdsman': require('zigbee-herdsman/package.json').version};
process.stdout.write(`${JSON.stringify(verdict)}\n`, () => process.exit(0));
