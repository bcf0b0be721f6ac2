"""What a node is made of, as published by its makers."""

from django.db import models


class GPUModel(models.Model):
    """A GPU with its maker's figures. Throughput is dense (without sparsity)."""

    slug = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=60)
    vendor = models.CharField(max_length=20)
    memory_gb = models.PositiveIntegerField(help_text="Gigabytes of memory on one GPU.")
    memory_type = models.CharField(max_length=20)
    bandwidth_gbs = models.PositiveIntegerField(help_text="Memory bandwidth, gigabytes per second.")
    fp16_tflops = models.PositiveIntegerField(help_text="Dense FP16 tensor throughput, TFLOP/s.")
    fp8_tflops = models.PositiveIntegerField(null=True, blank=True, help_text="Dense FP8 tensor throughput, TFLOP/s.")
    tdp_w = models.PositiveIntegerField(help_text="Thermal design power, watts.")
    interconnect = models.CharField(max_length=60)
    source = models.CharField(max_length=200)

    class Meta:
        ordering = ["slug"]
        verbose_name = "GPU model"

    def __str__(self) -> str:
        return self.name


IDLE_PERCENT = 20
"""Of a node's full draw: what it draws with nobody on it. No maker publishes it for whole machines. Our own estimate,
low enough that switching a node off does not promise more than it brings; a site's meter goes before it."""


class NodeType(models.Model):
    """A whole machine as it is sold: never a slice of one."""

    slug = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=80)
    gpu_model = models.ForeignKey(GPUModel, null=True, blank=True, on_delete=models.PROTECT, related_name="node_types")
    gpu_count = models.PositiveSmallIntegerField()
    cpu = models.CharField(max_length=80)
    vcpus = models.PositiveSmallIntegerField()
    memory_gb = models.PositiveIntegerField()
    nvme_gb = models.PositiveIntegerField()
    network_gbps = models.PositiveIntegerField()
    power_w = models.PositiveIntegerField(help_text="Draw of the whole node under load, watts.")

    class Meta:
        ordering = ["slug"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(gpu_model=None, gpu_count=0)
                | models.Q(gpu_model__isnull=False, gpu_count__gte=1, gpu_count__lte=8),
                name="node_type_has_one_to_eight_gpus_or_none",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def idle_w(self) -> int:
        """Draw of the whole node with nobody on it, watts: a share of its full draw."""
        return self.power_w * IDLE_PERCENT // 100

    @property
    def gpu_memory_gb(self) -> int:
        """Memory of all GPUs together, gigabytes."""
        return self.gpu_count * self.gpu_model.memory_gb if self.gpu_model else 0


class Measure(models.TextChoices):
    """What a burn-in measures on a node; each has one unit, and more is better."""

    GPU_MEMORY_BANDWIDTH = "gpu_memory_bandwidth", "GPU memory bandwidth, GB/s (slowest GPU)"
    MATMUL = "matmul", "matrix product, FP16 TFLOP/s (slowest GPU)"
    DISK_WRITE = "disk_write", "disk, sequential write, MB/s"
    DISK_READ = "disk_read", "disk, sequential read, MB/s"
    NETWORK = "network", "network link, Gbit/s"


class Target(models.Model):
    """What a node of a type must reach in its burn-in before it is offered: no less than the tolerance below."""

    node_type = models.ForeignKey(NodeType, on_delete=models.CASCADE, related_name="targets")
    measure = models.CharField(max_length=24, choices=Measure)
    value = models.PositiveIntegerField(help_text="In the measure's unit.")
    tolerance_percent = models.PositiveSmallIntegerField(
        default=5, help_text="NVIDIA's Requirements for AI Clouds (BM01) ask for 5 %."
    )

    class Meta:
        ordering = ["node_type", "measure"]
        constraints = [
            models.UniqueConstraint(fields=["node_type", "measure"], name="target_once"),
            models.CheckConstraint(
                condition=models.Q(value__gte=1, tolerance_percent__lt=100), name="target_can_be_missed"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.node_type.slug} {self.measure} {self.value}"

    @property
    def least(self) -> float:
        """The least that passes, in the measure's unit."""
        return self.value * (100 - self.tolerance_percent) / 100


class Image(models.Model):
    """A system image that a tenant may start with. It contains an SSH server."""

    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=80)
    reference = models.CharField(max_length=200, help_text="What podman pulls or has imported.")
    digest = models.CharField(max_length=80, blank=True)
    size_mb = models.PositiveIntegerField()
    contents = models.CharField(max_length=300, help_text="What is inside, in the customer's words.")

    class Meta:
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.name
