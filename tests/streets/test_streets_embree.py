"""The renderer against an independent ray caster: the same class, depth and normal at every pixel center."""

import numpy as np
import pytest

from taskscape.streets import STYLES, render
from taskscape.streets.ground import GROUND_PARTS
from taskscape.streets.scene import mesh_of, street
from taskscape.streets.shapes import CROWN, CYLINDER, FAR_CROWN, HULL, LIMB, SPHERE, WHEEL

trimesh = pytest.importorskip("trimesh")
pytest.importorskip("embreex")

SIZE = (96, 192)


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def reference(split, index, style):
    """Return class, depth and camera normals of a scene by Embree, and the part that each pixel shows."""
    scene = street(3, split, index, style)
    mesh, parts, view = mesh_of(scene), scene.assembly.parts(), scene.view
    camera = view.intrinsics(*SIZE)
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    rays = np.stack([(columns - camera.cx) / camera.fx, (rows - camera.cy) / camera.fy, np.ones(SIZE)], -1)
    directions = rays.reshape(-1, 3) @ view.rotation
    solid = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    caster = trimesh.ray.ray_pyembree.RayMeshIntersector(solid)
    origins = np.broadcast_to(view.position, directions.shape)
    face, ray, at = caster.intersects_id(origins, unit(directions), multiple_hits=False, return_locations=True)

    ground = len(GROUND_PARTS)
    labels = np.concatenate([GROUND_PARTS, parts["label"]]).astype(int)
    solids = np.concatenate([np.zeros(ground), parts["solid"]]).astype(int)
    half = np.stack([parts[f"half_{axis}"] for axis in "xyz"], -1)
    half = np.concatenate([np.ones((ground, 3)), half])
    part = mesh.face_part[face]

    a, b, c = (mesh.vertices[mesh.faces[face, i]] for i in range(3))
    normal = unit(np.cross(b - a, c - a))
    # The ground: vertex normals, weighted by barycentric areas of the hit point.
    on_ground = part < ground
    areas = [np.linalg.norm(np.cross(q - at, r - at), axis=1) for q, r in ((b, c), (c, a), (a, b))]
    corner = [mesh.attributes[np.minimum(mesh.faces[face, i], len(mesh.attributes) - 1), :3] for i in range(3)]
    smooth = unit(sum(area[:, None] * n for area, n in zip(areas, corner, strict=True)))
    normal[on_ground] = smooth[on_ground]
    # Round solids: the gradient of their implicit function.
    turn = mesh.rotation[part]
    local = np.einsum("nji,nj->ni", turn, at - mesh.center[part])
    gradient = local / half[part] ** 2
    kind = solids[part]
    tube = np.isin(kind, (CYLINDER, LIMB)) & (np.abs(local[:, 1]) < half[part, 1] * 0.999)
    wheel = (kind == WHEEL) & (np.abs(local[:, 0]) < half[part, 0] * 0.999)
    gradient[tube, 1] = 0
    gradient[wheel, 0] = 0
    # A crown: where the ray enters the ellipsoid, by the quadratic formula; or the point of closest approach.
    crown = np.isin(kind, (CROWN, FAR_CROWN, HULL))
    start = np.einsum("nji,nj->ni", turn, view.position - mesh.center[part]) / half[part]
    along = np.einsum("nji,nj->ni", turn, directions[ray]) / half[part]
    qa, qb, qc = (along**2).sum(1), (start * along).sum(1), (start**2).sum(1) - 1
    t = (-qb - np.sqrt(np.maximum(qb**2 - qa * qc, 0))) / qa
    gradient[crown] = ((start + t[:, None] * along) / half[part])[crown]
    round_ones = crown | tube | wheel | (kind == SPHERE)
    rounded = unit(np.einsum("nij,nj->ni", turn, gradient))
    normal[round_ones] = rounded[round_ones]
    # All face the camera.
    facing = (normal * unit(directions[ray])).sum(1, keepdims=True)
    normal = np.where(facing > 0, unit(normal - facing * unit(directions[ray])), normal)

    count = SIZE[0] * SIZE[1]
    semseg, depth, normals, owner = np.full(count, 10), np.zeros(count), np.zeros((count, 3)), np.full(count, -1)
    semseg[ray] = labels[part]
    depth[ray] = (at - view.position) @ view.rotation[2]
    normals[ray] = normal @ view.rotation.T
    owner[ray] = part
    return semseg.reshape(SIZE), depth.reshape(SIZE), normals.reshape(*SIZE, 3), owner.reshape(SIZE)


def interior(owner):
    """Return the mask of pixels whose neighbors all show the same part."""
    inside = np.zeros(owner.shape, bool)
    inside[1:-1, 1:-1] = True
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            inside &= np.roll(owner, (dy, dx), (0, 1)) == owner
    return inside & (owner >= 0)


@pytest.mark.parametrize("style", STYLES)
def test_labels_agree_with_embree(style):
    agree, depth_errors, angles = [], [], []
    for split, index in [("train", i) for i in range(6)] + [("shifted", i) for i in range(2)]:
        semseg, depth, normals, owner = reference(split, index, style)
        scene = render(3, split, index, SIZE, samples=4, style=style)
        agree.append(scene.semseg == semseg)
        instances = np.array([*np.zeros(len(GROUND_PARTS)), *street(3, split, index, style).assembly.instances(), 0])
        agree.append(scene.instances == instances[owner])  # owner -1, the sky, indexes the last entry
        same = (scene.depth > 0) & (depth > 0) & (scene.semseg == semseg) & interior(owner)
        depth_errors.append(np.abs(scene.depth[same] / depth[same] - 1))
        cosine = (scene.normals[same].astype(np.float64) * normals[same]).sum(-1)
        angles.append(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
    agreement = np.mean(agree)
    depth_error, angle = np.concatenate(depth_errors), np.concatenate(angles)
    # Folds and leaves of a part are edges too; a few pixels in a thousand lie on them.
    figures = (agreement, np.quantile(depth_error, 0.995), np.quantile(angle, 0.995))
    print("class agreement {:.5f}, depth error {:.2e}, normal error {:.4f}°".format(*figures))
    assert agreement > 0.995
    assert np.quantile(depth_error, 0.995) < 1e-3
    assert np.quantile(angle, 0.995) < 0.5
