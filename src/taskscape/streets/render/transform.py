"""Conversion of parts to triangles in world axes."""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from taskscape.streets.compiled import compiled
from taskscape.streets.ground import GROUND_COUNT, Ground
from taskscape.streets.render.vectors import FloatArray
from taskscape.streets.shapes import CROWNS, IntArray, Library


class Mesh(NamedTuple):
    """All triangles of a scene, in world axes and meters, starting with the ground."""

    vertices: FloatArray
    """(V, 3)"""
    faces: IntArray
    """(F, 3)"""
    face_part: IntArray
    """The part of each face, (F,)."""
    face_zone: npt.NDArray[np.int64]
    """(F,)"""
    part_vertex: IntArray
    """The first vertex of each part, (P + 1,); the first ground part has the vertices of all ground parts."""
    part_face: IntArray
    """The first face of each part, (P + 1,)."""
    rotation: FloatArray
    """Rotation from each part's axes to world axes, (P, 3, 3)."""
    center: FloatArray
    """Origin of each part in the world, (P, 3)."""
    radius: FloatArray
    """Radius of a sphere around the center that contains the part, (P,)."""
    attributes: FloatArray
    """Unit normal and lateral position of the first G vertices, those of the ground, (G, 4)."""


@compiled
def _rotate(yaw: float, pitch: float, roll: float, out: FloatArray) -> None:
    """Write the rotation that first rolls about z, then pitches about x, then yaws about y."""
    cy, sy = math.cos(yaw), math.sin(yaw)
    cp, sp = math.cos(pitch), math.sin(pitch)
    cr, sr = math.cos(roll), math.sin(roll)
    out[0, 0], out[0, 1], out[0, 2] = cy * cr + sy * sp * sr, -cy * sr + sy * sp * cr, sy * cp
    out[1, 0], out[1, 1], out[1, 2] = cp * sr, cp * cr, -sp
    out[2, 0], out[2, 1], out[2, 2] = -sy * cr + cy * sp * sr, sy * sr + cy * sp * cr, cy * cp


@compiled
def _place(
    parts: npt.NDArray[np.void], objects: npt.NDArray[np.void], library: Library, mesh: Mesh, turn: FloatArray,
    tilt: FloatArray,
) -> None:  # fmt: skip
    """Write everything in ``mesh`` that does not belong to the ground; ``turn`` and ``tilt`` are buffers, (3, 3)."""
    current = -1
    vertex, face = int(mesh.part_vertex[GROUND_COUNT]), int(mesh.part_face[GROUND_COUNT])
    for p in range(parts.shape[0]):
        part, row = parts[p], p + GROUND_COUNT
        owner = int(part.object)
        if owner != current:
            current = owner
            _rotate(objects[owner].yaw, objects[owner].pitch, 0.0, turn)
        rotation, center = mesh.rotation[row], mesh.center[row]
        _rotate(part.yaw, part.pitch, part.roll, tilt)
        pose = objects[owner]
        for i in range(3):
            for j in range(3):
                rotation[i, j] = turn[i, 0] * tilt[0, j] + turn[i, 1] * tilt[1, j] + turn[i, 2] * tilt[2, j]
            center[i] = turn[i, 0] * part.x + turn[i, 1] * part.y + turn[i, 2] * part.z
        center[0] += pose.x
        center[1] += pose.y
        center[2] += pose.z
        solid = int(part.solid)
        first_vertex = library.first_vertex[solid]
        mesh.part_vertex[row] = vertex
        mesh.part_face[row] = face
        squared_radius = part.half_x**2 + part.half_y**2 + part.half_z**2
        mesh.radius[row] = math.sqrt(squared_radius) * (1.5 if solid in CROWNS else 1.0)
        # Faces first, as their indices are relative to the first vertex of this part.
        for f in range(library.first_face[solid], library.first_face[solid + 1]):
            for k in range(3):
                mesh.faces[face, k] = library.faces[f, k] + vertex
            mesh.face_part[face] = row
            mesh.face_zone[face] = library.zones[f]
            face += 1
        for v in range(first_vertex, library.first_vertex[solid + 1]):
            top = (1 - library.vertices[v, 1]) * 0.5
            x = library.vertices[v, 0] * part.half_x * (1 + top * (part.taper_x - 1))
            y = library.vertices[v, 1] * part.half_y
            z = library.vertices[v, 2] * part.half_z * (1 + top * (part.taper_z - 1))
            for i in range(3):
                mesh.vertices[vertex, i] = rotation[i, 0] * x + rotation[i, 1] * y + rotation[i, 2] * z + center[i]
            vertex += 1
    mesh.part_vertex[parts.shape[0] + GROUND_COUNT] = vertex
    mesh.part_face[parts.shape[0] + GROUND_COUNT] = face


def build_mesh(ground: Ground, parts: npt.NDArray[np.void], objects: npt.NDArray[np.void], library: Library) -> Mesh:
    """Return the triangles of the ground and of all parts."""
    solids = parts["solid"].astype(np.int64)
    count = GROUND_COUNT + len(parts)
    vertices = len(ground.vertices) + int((library.first_vertex[solids + 1] - library.first_vertex[solids]).sum())
    faces = len(ground.faces) + int((library.first_face[solids + 1] - library.first_face[solids]).sum())
    mesh = Mesh(
        vertices=np.empty((vertices, 3)),
        faces=np.empty((faces, 3), np.int32),
        face_part=np.empty(faces, np.int32),
        face_zone=np.zeros(faces, np.int64),
        part_vertex=np.zeros(count + 1, np.int32),
        part_face=np.zeros(count + 1, np.int32),
        rotation=np.zeros((count, 3, 3)),
        center=np.zeros((count, 3)),
        radius=np.full(count, np.inf),
        attributes=ground.attributes,
    )
    order = np.argsort(ground.parts, kind="stable")
    mesh.vertices[: len(ground.vertices)] = ground.vertices
    mesh.faces[: len(order)] = ground.faces[order]
    mesh.face_part[: len(order)] = ground.parts[order]
    mesh.part_vertex[1 : GROUND_COUNT + 1] = len(ground.vertices)
    mesh.part_face[: GROUND_COUNT + 1] = np.searchsorted(ground.parts[order], np.arange(GROUND_COUNT + 1))
    mesh.rotation[:GROUND_COUNT] = np.eye(3)
    _place(parts, objects, library, mesh, np.empty((3, 3)), np.empty((3, 3)))
    return mesh
